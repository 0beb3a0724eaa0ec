"""What the local page says of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.costs import is_tabled
from nas.data.tasks import METRICS, kind_in
from nas.jobs.readme import heading, quantity_of
from nas.runs import Manifest, RunFolder, read_manifest
from nas.runs.curve import Curve, curve_so_far, read_curve
from nas.runs.manifest import MANIFEST
from nas.supernet.space import WALKED
from nas.watching.finding import readable
from nas.watching.studies import Evaluations, Studies

DIGITS = 6
"""Significant digits of the figures that are sent."""


def summary_of(name: str, path: Path, studies: Studies) -> dict[str, Any]:
    """One line of the list of runs.

    Returns:
        {"name", "state", "kind", "space", "asked", "created", "changed", "step", "steps", "evaluated", "beside", "evaluations",
        "best", "report", "problem"}; "state" is running, finished, stopped or damaged, "beside" what random search has spent.
    """
    folder = RunFolder(path)
    try:
        manifest = read_manifest(path)
        found = _evaluations(folder, studies)
        curve = _curve(folder, manifest)
    except NasError as error:
        return {"name": name, "state": "damaged", "problem": str(error), "report": False}
    searched = _searched(manifest)
    best = _best(found.get("search"), searched)
    return {
        "name": name,
        "state": state_of(folder),
        "kind": manifest.kind,
        "space": manifest.config.space,
        "asked": ", ".join(manifest.config.targets),
        "created": manifest.created,
        "changed": _changed(folder),
        "step": curve.steps[-1] if curve is not None and curve.steps else 0,
        "steps": manifest.plan.get("steps", 0) if manifest.config.supernet is None else 0,
        "evaluated": round(found["search"].end, 3) if "search" in found else 0,
        "beside": round(found["baseline"].end, 3) if "baseline" in found else 0,
        "evaluations": manifest.config.evaluations if manifest.kind == "search" else 0,
        "best": None if best is None else {"name": searched[0], "value": best, "axis": _axis(searched[0], dict([searched]))},
        "report": readable(folder.report) is not None,
        "problem": None,
    }


def details_of(name: str, path: Path, studies: Studies) -> dict[str, Any]:
    """A run with its evaluations and losses, as far as they are known now.

    Returns:
        what `summary_of` returns, and {"axes", "studies": [{"name", "numbers", "values": {axis: [...]}, "progress"}],
        "training", "next"}.
    """
    summary = summary_of(name, path, studies)
    if summary["state"] == "damaged":
        return {**summary, "axes": [], "studies": [], "training": None, "next": None}
    folder, manifest = RunFolder(path), read_manifest(path)
    found = _evaluations(folder, studies)
    searched = _searched(manifest)
    curve = _curve(folder, manifest)
    names = list(dict.fromkeys(key for one in found.values() for figures in one.figures for key in figures))
    directions = {**dict([searched]), **_directions(manifest)}
    ordered = sorted(names, key=lambda key: (key != searched[0], key in WALKED, names.index(key)))
    return {
        **summary,
        "axes": [_axis(key, directions) for key in ordered],
        "studies": [
            {
                "name": "random search" if study == "baseline" else manifest.config.strategy or "search",
                "numbers": one.numbers,
                "values": {key: [_rounded(figures.get(key)) for figures in one.figures] for key in ordered},
                "progress": _progress(one, searched),
            }
            for study, one in found.items()
        ],
        "training": None if curve is None else curve.model_dump(mode="json"),
        "next": f"nas resume {path}" if summary["state"] == "stopped" else None,
    }


def state_of(folder: RunFolder) -> str:
    """running, finished or stopped."""
    if readable(folder.results) is not None:
        return "finished"
    return "running" if folder.is_held else "stopped"


def _evaluations(folder: RunFolder, studies: Studies) -> dict[str, Evaluations]:
    return studies.of(folder.study)


def _curve(folder: RunFolder, manifest: Manifest) -> Curve | None:
    """The losses so far, of this run's own training."""
    if manifest.config.supernet is not None:
        return None
    kept = read_curve(folder.supernet)
    return kept if kept is not None else curve_so_far(folder)


def _searched(manifest: Manifest) -> tuple[str, str]:
    """The figure that decides, and its direction."""
    config = manifest.config
    if config.reward is not None:
        return config.reward.partition(":")[0], "maximize"
    usual = kind_in(manifest.data).metrics[0].name
    name = (config.objectives or (usual,))[0].strip().partition(":")[0]
    direction = _directions(manifest).get(name) or (METRICS[name].direction if name in METRICS else "")
    return name, direction or ("minimize" if name in WALKED or is_tabled(name) else "maximize")


def _directions(manifest: Manifest) -> dict[str, str]:
    """Those that were asked for by a word."""
    words = {"max": "maximize", "min": "minimize"}
    pairs = (text.strip().partition(":")[::2] for text in manifest.config.objectives)
    return {name: words[word] for name, word in pairs if word in words}


def _axis(name: str, directions: Mapping[str, str]) -> dict[str, Any]:
    """An axis as the scripts of a page read it; see `nas.jobs.reports.axes.Axis`."""
    if name in WALKED or is_tabled(name):
        quantity = quantity_of(name)
        shown = {"label": heading(name), "unit": quantity.base, "scaled": quantity.scaled}
        return {"name": name, **shown, "direction": directions.get(name, "minimize")}
    metric = METRICS.get(name)
    label = name if metric is None else f"validation {metric.title}"
    unit, direction = ("%" if metric is not None and metric.percent else ""), (None if metric is None else metric.direction)
    return {"name": name, "label": label, "unit": unit, "scaled": False, "direction": directions.get(name, direction)}


def _best(found: Evaluations | None, searched: tuple[str, str]) -> float | None:
    values = [] if found is None else [figures[searched[0]] for figures in found.figures if searched[0] in figures]
    if not values:
        return None
    return max(values) if searched[1] == "maximize" else min(values)


def _progress(found: Evaluations, searched: tuple[str, str]) -> list[list[float]]:
    """Where the best so far changes, and the end."""
    name, sign = searched[0], 1.0 if searched[1] == "maximize" else -1.0
    steps: list[list[float]] = []
    for spent, figures in zip(found.spent, found.figures, strict=True):
        value = figures.get(name)
        if value is not None and (not steps or sign * value > sign * steps[-1][1]):
            steps.append([round(spent, 3), value])
    return [*steps, [round(found.end, 3), steps[-1][1]]] if steps else []


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _changed(folder: RunFolder) -> float:
    """Seconds since 1970 at which anything of the run was last written."""
    latest = 0.0
    for path in (folder.path / MANIFEST, folder.checkpoint, folder.study, folder.results):
        with contextlib.suppress(OSError):
            latest = max(latest, path.stat().st_mtime)
    return latest
