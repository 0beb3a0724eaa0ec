"""All figures of a run, as they stand in results.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nas.data.tasks import kind_in
from nas.exporting import Comparison
from nas.jobs.latencies import estimated_counts, latency_metrics, latency_source
from nas.jobs.next_steps import after_lookup, after_search, after_training
from nas.runs import Manifest, RunFolder, Searched, SearchOutcome, Setting, Trained, reduction_of
from nas.searching import Objective, Scorer, Trial
from nas.searching.ranking import front
from nas.supernet import Task

RUNNERS_UP = 4


def training_figures(folder: RunFolder, manifest: Manifest, setting: Setting, trained: Trained) -> dict[str, Any]:
    """The results of a run that only trained."""
    path = str(folder.path)
    return {
        "kind": "train",
        "run": path,
        "space": setting.space.name,
        "data": data_figures(manifest),
        "trained_at": str(setting.trained_at),
        "training": supernet_training(trained),
        "derived": trained.facts.derived,
        "next": after_training(path, setting),
    }


def search_figures(
    folder: RunFolder,
    manifest: Manifest,
    setting: Setting,
    training: Mapping[str, Any],
    outcome: SearchOutcome,
    scorer: Scorer,
    test: Mapping[str, float],
    comparison: Comparison,
) -> dict[str, Any]:
    """The results of a search."""
    path = str(folder.path)
    found = _found(setting, outcome, setting.trained_at)
    found["winner"]["test"] = dict(test)
    return {
        "kind": "search",
        "run": path,
        **_asked(setting, outcome),
        "data": data_figures(manifest),
        "trained_at": str(setting.trained_at),
        "training": dict(training),
        "search": {
            **_effort(setting, outcome),
            "validation_images": sum(len(batch.targets) for batch in scorer.validation),
            "calibration_images": sum(map(len, scorer.calibration)),
        },
        **found,
        "onnx": comparison.to_json(),
        "next": after_search(path, setting),
    }


def lookup_figures(folder: RunFolder, setting: Searched, outcome: SearchOutcome) -> dict[str, Any]:
    """The results of a search that looked its evaluations up."""
    path = str(folder.path)
    return {
        "kind": "lookup",
        "run": path,
        **_asked(setting, outcome),
        "evaluated_by": setting.config.evaluate,
        "search": _effort(setting, outcome),
        **_found(setting, outcome, None),
        "next": after_lookup(path, setting),
    }


def _asked(setting: Searched, outcome: SearchOutcome) -> dict[str, Any]:
    """What was asked for."""
    shown = np.stack([trial.row for trial in outcome.ranked[: 1 + RUNNERS_UP]])
    return {
        "space": setting.space.name,
        "reduced": _reduced(setting),
        "targets": [{"metric": target.metric, "limit": target.limit, "text": str(target)} for target in setting.targets],
        "objectives": [
            {"name": one.name, "direction": one.direction, "cheap": one.cheap, "limit": one.limit} for one in setting.objectives
        ],
        "reward": None if setting.reward is None else {"name": setting.reward.name, "weight": setting.reward.weight},
        "deployed_at": str(setting.deployed_at),
        "latency": {name: latency_source(setting, name, shown) for name in latency_metrics(setting)},
    }


def _reduced(setting: Searched) -> dict[str, Any] | None:
    """What part of the space was searched."""
    reduction = reduction_of(setting.space)
    if reduction is None:
        return None
    sizes = {"networks": float(setting.space.size), "of": float(setting.space.whole.size)}
    return {"run": reduction.run, "top": reduction.top, "kendall_tau": reduction.kendall_tau, **sizes}


def _effort(setting: Searched, outcome: SearchOutcome) -> dict[str, Any]:
    """How it was searched."""
    return {
        "strategy": outcome.strategy,
        "options": dict(setting.config.strategy_options),
        "evaluations": outcome.evaluations,
        "failures": outcome.failures,
        "refused": outcome.refused,
        "proxies": _proxies(setting, outcome),
    }


def _proxies(setting: Searched, outcome: SearchOutcome) -> dict[str, Any] | None:
    """What zero-cost proxies did in a search, and what they saw; None where they did nothing."""
    scorer, asked = setting.proxies, setting.asked
    if scorer is None:
        return None
    return {
        "images": len(scorer.images),
        "data": setting.config.data,
        "at": str(scorer.task),
        "objectives": list(asked.objectives),
        "filters": [{"text": str(one.asked), "proxy": one.asked.proxy, "limit": one.limit} for one in outcome.filters],
        "warm_start": None if asked.warm_start is None else str(asked.warm_start),
        "features": list(asked.features),
    }


def _found(setting: Searched, outcome: SearchOutcome, trained_at: Task | None) -> dict[str, Any]:
    """Winner, runners-up, the best of random search, and the front."""
    baseline = None
    if outcome.baseline:
        baseline = {"evaluations": len(outcome.baseline), "best": _network(setting, outcome.baseline[0], trained_at)}
    return {
        "winner": _network(setting, outcome.ranked[0], trained_at),
        "runners_up": [_network(setting, trial, trained_at) for trial in outcome.ranked[1 : 1 + RUNNERS_UP]],
        "random_search": baseline,
        "front": [_network(setting, trial, trained_at) for trial in front(outcome.trials, shown_objectives(setting))],
    }


def shown_objectives(setting: Searched) -> tuple[Objective, ...]:
    """The axes of the front: the objectives; of a search with one, the accuracy (or what else was the objective) and the first
    target's metric, multiply-adds without a target."""
    if len(setting.objectives) > 1:
        return setting.objectives
    metric = setting.targets[0].metric if setting.targets else "macs"
    first = setting.objectives[0]
    if first.name == metric:
        return (setting.accuracy, first)
    return (first, Objective(metric, "minimize", setting.space.compiled(metric, setting.deployed_at)))


def _network(setting: Searched, trial: Trial, trained_at: Task | None) -> dict[str, Any]:
    rows = trial.row[None]
    asked = [target.metric for target in setting.targets] + [one.name for one in setting.objectives if one.cheap]
    names = list(dict.fromkeys([*asked, "macs", "params", "memory"]))
    costs = {name: float(setting.space.cost(name, rows, setting.deployed_at)[0]) for name in names}
    if trained_at is not None:
        costs["macs_as_trained"] = float(setting.space.cost("macs", rows, trained_at)[0])
    architecture = setting.space.decode(rows)[0].to_json()
    return {
        "architecture": architecture,
        "validation": dict(trial.metrics),
        "costs": costs,
        "estimated": estimated_counts(setting.space, asked, trial.row),
    }


def data_figures(manifest: Manifest) -> dict[str, Any]:
    """What results say of the data."""
    data = manifest.data
    kept = {name: data[name] for name in ("name", "source", "images", "resolution", "channels", "note")}
    # Runs that earlier versions began know classes alone.
    kind = kind_in(data)
    learned = {"task": kind.kind, "metric": kind.metrics[0].name}
    return {**kept, **learned, "left_out": len(data.get("left_out", ())), "classes": len(data["classes"])}


def supernet_training(trained: Trained) -> dict[str, Any]:
    """How the supernet was trained."""
    return {"separate": False, "trainer": trained.facts.trainer, "recipe": trained.facts.recipe, **trained.facts.metrics}


def candidate_training(setting: Setting, steps: int) -> dict[str, Any]:
    """How every candidate was trained, by itself."""
    return {"separate": True, "trainer": None, "recipe": setting.recipe.model_dump(), "steps": steps}
