"""What the latencies of a run are and where they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from nas.runs import Searched
from nas.runs.measured_part import kept_resolutions
from nas.supernet import Space
from nas.supernet.estimated import estimated


def latency_metrics(setting: Searched) -> list[str]:
    """The latencies that a run bounds or optimises."""
    names = [target.metric for target in setting.targets] + [one.name for one in setting.objectives if one.cheap]
    return [name for name in dict.fromkeys(names) if setting.space.device_of(name) is not None]


def latency_source(setting: Searched, metric: str, rows: np.ndarray) -> dict[str, Any]:
    """What a latency figure is and where it comes from.

    Args:
        rows: (N, D) the networks that are shown, the winner first.
    """
    space = setting.space
    table = space.device_of(metric)
    assert table is not None
    estimates = _estimates(setting, metric, rows)
    return {
        "what": table.method if estimates is None else "summed from measured and estimated operators",
        "device": table.device,
        "runtime": table.runtime,
        "dtype": table.dtype,
        "threads": table.threads,
        "batch": table.batch,
        "resolution": list(table.resolutions) if len(table.resolutions) > 1 else table.resolutions[0],
        "task": str(space.task_of(metric, setting.deployed_at)),
        "spread": None,
        "source": table.source,
        "kept": _kept(setting, metric),
        "estimates": estimates,
    }


def estimated_counts(space: Space, names: Iterable[str], row: np.ndarray) -> dict[str, dict[str, int]]:
    """For each latency of a network that is estimated in part: of how many of its operators."""
    found = {name: estimated(space, name, row) for name in names}
    return {name: {"count": one.count, "operators": one.operators} for name, one in found.items() if one is not None}


def latency_notes(figures: Mapping[str, Any]) -> list[str]:
    """What each latency is, a sentence or two."""
    lines = []
    for metric, source in figures.get("latency", {}).items():
        runtime = source["runtime"] or "runtime not stated by the source"
        lines.append(
            f"{metric}: {source['what']} on {source['device']} ({runtime}, {source['dtype'] or 'dtype not stated'}, batch "
            f"{source['batch']}) at {source['task']}; {source['source']}."
        )
        lines += _kept_notes(metric, source.get("kept"))
        lines += _estimate_notes(metric, source.get("estimates"))
    return lines


def _kept(setting: Searched, metric: str) -> dict[str, Any] | None:
    """The resolutions that alone were searched, because a table knows no other; None where it knows all."""
    kept = kept_resolutions(setting.space, metric, setting.deployed_at)
    if kept is None:
        return None
    choice = setting.space.whole.decisions.choices[kept[0]]
    return {"decision": choice.name, "options": [choice.options[code] for code in kept[1]]}


def _kept_notes(metric: str, kept: Mapping[str, Any] | None) -> list[str]:
    """Which decision was kept to what a device's table knows."""
    if kept is None:
        return []
    return [
        f"Only '{kept['decision']}' {', '.join(map(str, kept['options']))} was searched: {metric} was measured at no other."
    ]


def _estimates(setting: Searched, metric: str, rows: np.ndarray) -> dict[str, Any] | None:
    """Which operators of the networks the table lacks, how many the first has, and what estimates of such are worth; None where
    it lacks none of them."""
    space, table = setting.space, setting.space.device_of(metric)
    estimator = None if table is None else space.estimator(table)
    networks = [estimated(space, metric, row) for row in rows]
    keys = list(dict.fromkeys(key for one in networks if one is not None for key in one.keys))
    if estimator is None or not keys:
        return None
    winner = networks[0]
    return {
        "count": 0 if winner is None else winner.count,
        "unseen": 0 if winner is None else sum(map(estimator.unseen, winner.keys)),
        "keys": keys,
        "kinds": [quality.to_json() for quality in dict.fromkeys(map(estimator.quality, keys))],
    }


def _estimate_notes(metric: str, estimates: Mapping[str, Any] | None) -> list[str]:
    if estimates is None:
        return []
    lines = [
        f"{metric} contains estimates: the table lacks {estimates['count']} operators of the winner"
        + (f", {estimates['unseen']} of them of shapes of which it has none." if estimates["unseen"] else ".")
    ]
    for kind in estimates["kinds"]:
        quality = kind["quality"]
        unseen = quality["unseen_error"]
        lines.append(
            f"Cross-validated, estimates of {kind['kind']} operators are {quality['error']:.1f} % off "
            f"({100 * quality['within_10']:.0f} % within 10 %)"
            + (f", {unseen:.1f} % for shapes that were left out whole." if unseen is not None else ".")
        )
    return lines
