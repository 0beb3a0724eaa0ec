"""All figures of a retraining, as they stand in its results.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.exporting import Comparison
from nas.jobs.figures import data_figures
from nas.jobs.latencies import estimated_counts
from nas.jobs.next_steps import after_retraining
from nas.jobs.run import Run
from nas.runs import Manifest, RunFolder
from nas.runs.retraining import Retraining
from nas.supernet import Task
from nas.training import TrainingResult

OF_THE_RUN = (
    "space",
    "reduced",
    "targets",
    "objectives",
    "reward",
    "deployed_at",
    "latency",
    "search",
    "random_search",
)
"""What the network's run says of how it was found, and what its figures are."""


def retrain_figures(
    folder: RunFolder,
    manifest: Manifest,
    retraining: Retraining,
    source: Run,
    result: TrainingResult,
    scores: Mapping[str, Mapping[str, float]],
    comparison: Comparison,
) -> dict[str, Any]:
    """The results of a retraining: "winner" is the network that was trained, "found" what the run said of its accuracy."""
    known, asked = _known(source, retraining), retraining.asked
    of_the_run = {name: source.results[name] for name in OF_THE_RUN if name in source.results}
    path = str(folder.path)
    return {
        "kind": "retrain",
        "run": path,
        "of": {"run": str(source.path.resolve()), "network": asked.network, "trained": source.manifest.trains},
        **of_the_run,
        "data": data_figures(manifest),
        "trained_at": str(retraining.task),
        "training": {
            "separate": True,
            "trainer": None,
            "start": asked.start,
            "recipe": retraining.recipe.model_dump(),
            "steps": manifest.plan["steps"],
            "seconds": round(result.seconds, 1),
            "last_loss": result.losses[-1],
            "distillation": {"weight": asked.distill_weight, "temperature": asked.temperature} if asked.distill else None,
        },
        "found": {name: known[name] for name in ("validation", "test") if name in known},
        "winner": {
            "architecture": retraining.architecture.to_json(),
            "validation": dict(scores["validation"]),
            "test": dict(scores["test"]),
            "costs": known["costs"],
            "estimated": known["estimated"],
            **({"measured": known["measured"]} if "measured" in known else {}),
        },
        "onnx": comparison.to_json(),
        "next": after_retraining(path, source.manifest),
    }


def _known(source: Run, retraining: Retraining) -> dict[str, Any]:
    """What the run says of the network; of one that it did not keep, the same costs."""
    found = source.results
    architecture = retraining.architecture
    for one in (found["winner"], *found["runners_up"]):
        if source.space.validate(one["architecture"]) == architecture:
            return dict(one)
    space = source.space.whole
    deployed = Task(**source.manifest.plan["deployed_at"])
    costs = {
        name: float(space.cost("macs", architecture, retraining.task))
        if name == "macs_as_trained"
        else float(space.cost(name, architecture, deployed))
        for name in found["winner"]["costs"]
    }
    return {"costs": costs, "estimated": estimated_counts(space, found["latency"], space.encode([architecture])[0])}
