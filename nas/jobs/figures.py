"""All figures of a run, as they stand in results.json."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas.base.seeds import generator
from nas.exporting import Comparison
from nas.runs import Manifest, RunFolder, SearchOutcome, Setting, Trained
from nas.runs.searched import is_given
from nas.searching import Trial

RUNNERS_UP = 4


def training_figures(folder: RunFolder, manifest: Manifest, setting: Setting, trained: Trained) -> dict[str, Any]:
    """The results of a run that only trained."""
    path = str(folder.path)
    return {
        "kind": "train",
        "run": path,
        "space": setting.space.name,
        "data": _data(manifest),
        "trained_at": str(setting.trained_at),
        "training": supernet_training(trained),
        "derived": trained.facts.derived,
        "next": _after_training(path, setting),
    }


def search_figures(
    folder: RunFolder,
    manifest: Manifest,
    setting: Setting,
    training: Mapping[str, Any],
    outcome: SearchOutcome,
    test: Mapping[str, float],
    comparison: Comparison,
) -> dict[str, Any]:
    """The results of a search."""
    path = str(folder.path)
    winner = _network(setting, outcome.ranked[0])
    winner["test"] = dict(test)
    baseline = None
    if outcome.baseline is not None:
        baseline = {"evaluations": len(outcome.baseline), "best": _network(setting, outcome.baseline[0])}
    return {
        "kind": "search",
        "run": path,
        "space": setting.space.name,
        "targets": [{"metric": target.metric, "limit": target.limit, "text": str(target)} for target in setting.targets],
        "data": _data(manifest),
        "trained_at": str(setting.trained_at),
        "deployed_at": str(setting.deployed_at),
        "latency": {
            target.metric: _latency_source(setting, target.metric)
            for target in setting.targets
            if setting.space.device_of(target.metric) is not None
        },
        "training": dict(training),
        "search": {
            "strategy": outcome.strategy,
            "evaluations": len(outcome.ranked) + outcome.failures,
            "failures": outcome.failures,
            "validation_images": sum(len(batch.targets) for batch in outcome.scorer.validation),
            "calibration_images": sum(map(len, outcome.scorer.calibration)),
        },
        "winner": winner,
        "runners_up": [_network(setting, trial) for trial in outcome.ranked[1 : 1 + RUNNERS_UP]],
        "random_search": baseline,
        "front": [_network(setting, trial) for trial in front(setting, [*outcome.ranked, *(outcome.baseline or [])])],
        "onnx": comparison.to_json(),
        "next": _next_commands(path, setting),
    }


def front(setting: Setting, trials: Sequence[Trial]) -> list[Trial]:
    """The trials that no other beats in both accuracy and the first target's metric (multiply-adds without a target),
    from the cheapest to the dearest."""
    metric = setting.targets[0].metric if setting.targets else "macs"
    costs = setting.space.cost(metric, np.stack([trial.row for trial in trials]), setting.deployed_at)
    best, kept = -np.inf, []
    for index in sorted(range(len(trials)), key=lambda i: (costs[i], -trials[i].metrics["top1"])):
        if trials[index].metrics["top1"] > best:
            best = trials[index].metrics["top1"]
            kept.append(trials[index])
    return kept


def _network(setting: Setting, trial: Trial) -> dict[str, Any]:
    rows = trial.row[None]
    names = list(dict.fromkeys([*(target.metric for target in setting.targets), "macs", "params", "memory"]))
    costs = {name: float(setting.space.cost(name, rows, setting.deployed_at)[0]) for name in names}
    costs["macs_as_trained"] = float(setting.space.cost("macs", rows, setting.trained_at)[0])
    architecture = setting.space.decode(rows)[0].to_json()
    return {"architecture": architecture, "validation": dict(trial.metrics), "costs": costs}


def _latency_source(setting: Setting, metric: str) -> dict[str, Any]:
    """What a latency figure is and where it comes from."""
    table = setting.space.device_of(metric)
    assert table is not None
    return {
        "what": "summed from measured operators",
        "device": table.device,
        "runtime": table.runtime,
        "dtype": table.dtype,
        "threads": table.threads,
        "batch": table.batch,
        "resolution": table.resolution,
        "task": str(setting.space.task_of(metric)),
        "spread": None,
        "source": table.source,
    }


def _data(manifest: Manifest) -> dict[str, Any]:
    kept = ("name", "source", "images", "resolution", "channels", "note")
    return {**{name: manifest.data[name] for name in kept}, "classes": len(manifest.data["classes"])}


def supernet_training(trained: Trained) -> dict[str, Any]:
    """How the supernet was trained."""
    return {"separate": False, "trainer": trained.facts.trainer, "recipe": trained.facts.recipe, **trained.facts.metrics}


def candidate_training(setting: Setting, steps: int) -> dict[str, Any]:
    """How every candidate was trained, by itself."""
    return {"separate": True, "trainer": None, "recipe": setting.recipe.model_dump(), "steps": steps}


def _after_training(path: str, setting: Setting) -> list[str]:
    name, bound = setting.config.space, f"macs={_typical_macs(setting)}"
    if is_given(name):
        return [f"nas.search(space=SPACE, supernet={path!r}, targets=[{bound!r}])  # in Python, with the same object"]
    named = name if ".py" in name else setting.space.name
    return [f"nas search --supernet {path} --space {shlex.quote(named)} --target {bound}"]


def _next_commands(path: str, setting: Setting) -> list[str]:
    if is_given(setting.config.space):
        return [f"nas.{verb}({path!r}, space=SPACE)  # in Python, with the same object" for verb in ("show", "export")]
    targets = "".join(f" --target {shlex.quote(text)}" for text in setting.config.targets)
    supernet = "" if setting.space.separate else f" --supernet {setting.config.supernet or path}"
    return [
        f"nas show {path}",
        f"nas export {path}",
        f"nas search{supernet} --space {shlex.quote(setting.config.space)}{targets} --evaluations 1000",
    ]


def _typical_macs(setting: Setting) -> str:
    """A bound that about half of the space keeps, as a target is written."""
    space = setting.space
    rows = space.decisions.sample(generator(setting.config.seed, "typical"), 1000)
    return f"{np.median(space.compiled('macs', setting.deployed_at)(rows)) / 1e6:.3g}M"
