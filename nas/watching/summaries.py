"""What the local page says of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.costs import is_tabled
from nas.data.tasks import METRICS, kind_in
from nas.jobs.reports.axes import Axis, Direction, cost_axis, measured_axis
from nas.jobs.reports.progress import best_so_far
from nas.reporting.figures import shortened
from nas.runs import Manifest, RunFolder, read_manifest
from nas.runs.curve import Curve, curve_so_far, read_curve
from nas.runs.manifest import MANIFEST
from nas.supernet.space import WALKED
from nas.watching.finding import readable
from nas.watching.studies import Evaluations, Studies


@dataclass(frozen=True)
class Known:
    """What the files of a run say now.

    Attributes:
        evaluations: by the name of their study.
        curve: the losses so far, of the run's own training.
    """

    folder: RunFolder
    manifest: Manifest
    evaluations: Mapping[str, Evaluations]
    curve: Curve | None


def summary_of(name: str, path: Path, studies: Studies) -> dict[str, Any]:
    """One line of the list of runs.

    Returns:
        {"name", "state", "kind", "space", "asked", "created", "changed", "step", "steps", "evaluated", "beside", "evaluations",
        "best", "report", "problem"}; "state" is running, finished, stopped or damaged, "beside" what random search has spent.
    """
    try:
        return _summary(name, _known(path, studies))
    except Exception as error:
        return _damaged(name, error)


def details_of(name: str, path: Path, studies: Studies) -> dict[str, Any]:
    """A run with its evaluations and losses, as far as they are known now.

    Returns:
        what `summary_of` returns, and {"axes", "studies": [{"name", "numbers", "values": {axis: [...]}, "progress"}],
        "training", "next"}.
    """
    try:
        known = _known(path, studies)
        summary = _summary(name, known)
        return {**summary, **_details(known), "next": f"nas resume {path}" if summary["state"] == "stopped" else None}
    except Exception as error:
        return {**_damaged(name, error), "axes": [], "studies": [], "training": None, "next": None}


def state_of(folder: RunFolder) -> str:
    """running, finished or stopped."""
    if readable(folder.results) is not None:
        return "finished"
    return "running" if folder.is_held else "stopped"


def _known(path: Path, studies: Studies) -> Known:
    """Raises NasError where something is damaged."""
    folder, manifest = RunFolder(path), read_manifest(path)
    curve = None
    if manifest.config.supernet is None:
        curve = read_curve(folder.supernet) or curve_so_far(folder)
    return Known(folder, manifest, studies.of(folder.study), curve)


def _damaged(name: str, error: Exception) -> dict[str, Any]:
    """Whatever is wrong with the files of one run, the others are to be seen."""
    problem = str(error) if isinstance(error, NasError) else f"its files cannot be read: {type(error).__name__}: {error}"
    return {"name": name, "state": "damaged", "problem": problem, "report": False}


def _summary(name: str, known: Known) -> dict[str, Any]:
    folder, manifest, found, curve = known.folder, known.manifest, known.evaluations, known.curve
    axis = _searched(manifest)
    best = [step[1] for step in _progress(found["search"], axis)][-1:] if "search" in found else []
    return {
        "name": name,
        "state": state_of(folder),
        "kind": manifest.kind,
        "space": manifest.config.space,
        "asked": ", ".join(manifest.config.targets),
        "created": manifest.created,
        "changed": _changed(folder),
        "step": curve.steps[-1] if curve is not None and curve.steps else 0,
        "steps": int(manifest.plan.get("steps", 0)) if manifest.config.supernet is None else 0,
        "evaluated": round(found["search"].end, 3) if "search" in found else 0,
        "beside": round(found["baseline"].end, 3) if "baseline" in found else 0,
        "evaluations": manifest.config.evaluations if manifest.kind == "search" else 0,
        "best": {"name": axis.name, "value": best[0], "axis": axis.to_json()} if best else None,
        "report": readable(folder.report) is not None,
        "problem": None,
    }


def _details(known: Known) -> dict[str, Any]:
    manifest, found = known.manifest, known.evaluations
    searched, directions = _searched(manifest), _directions(manifest)
    names = list(dict.fromkeys(key for one in found.values() for figures in one.figures for key in figures))
    ordered = sorted(names, key=lambda key: (key != searched.name, key in WALKED, names.index(key)))
    axes = [searched if key == searched.name else _axis(key, directions.get(key)) for key in ordered]
    return {
        "axes": [axis.to_json() for axis in axes],
        "studies": [
            {
                "name": "random search" if study == "baseline" else manifest.config.strategy or "search",
                "numbers": one.numbers,
                "values": {key: [shortened(figures.get(key)) for figures in one.figures] for key in ordered},
                "progress": _progress(one, searched),
            }
            for study, one in found.items()
        ],
        "training": None if known.curve is None else known.curve.model_dump(mode="json"),
    }


def _searched(manifest: Manifest) -> Axis:
    """The figure that decides."""
    config = manifest.config
    if config.reward is not None:
        return _axis(config.reward.partition(":")[0], "maximize")
    usual = kind_in(manifest.data).metrics[0].name
    name = (config.objectives or (usual,))[0].strip().partition(":")[0]
    direction = _directions(manifest).get(name)
    if direction is None and not (name in METRICS or name in WALKED or is_tabled(name)):
        direction = "maximize"
    return _axis(name, direction)


def _directions(manifest: Manifest) -> dict[str, Direction]:
    """Those that were asked for by a word."""
    words: dict[str, Direction] = {"max": "maximize", "min": "minimize"}
    pairs = (text.strip().partition(":")[::2] for text in manifest.config.objectives)
    return {name: words[word] for name, word in pairs if word in words}


def _axis(name: str, direction: Direction | None) -> Axis:
    """One figure, in the direction that was asked for or in its usual one."""
    if name in WALKED or is_tabled(name):
        return cost_axis(name, direction or "minimize")
    return measured_axis(name, f"validation {METRICS[name].title}" if name in METRICS else name, direction)


def _progress(found: Evaluations, axis: Axis) -> list[list[float]]:
    return best_so_far(found.spent, (figures.get(axis.name) for figures in found.figures), axis.sign, found.end)


def _changed(folder: RunFolder) -> float:
    """Seconds since 1970 at which anything of the run was last written."""
    latest = 0.0
    for path in (folder.path / MANIFEST, folder.checkpoint, folder.study, folder.results):
        with contextlib.suppress(OSError):
            latest = max(latest, path.stat().st_mtime)
    return latest
