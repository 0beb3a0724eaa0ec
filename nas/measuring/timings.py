"""What the runner wrote down, as figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from nas.base.errors import NasError
from nas.base.files import read_json
from nas.base.json_text import parsed
from nas.measuring.common_state import fitted_states
from nas.measuring.plan import Plan
from nas.measuring.runner import BUSY

Entry = tuple[int, int, float, float | None]
"""One timing: model or -1 for the reference, round, milliseconds, processors that other programs kept busy."""

DRIFT = 0.03
"""Change of the reference over the rounds above which the clock of a device is said to drift."""

NOISE = 0.05
"""Spread of a model above which a machine is said to be noisy, if more than a tenth of its models have it."""

FEWEST = 2
"""Timings that must remain of a model where those of slow moments are left out."""

MUCH = 0.25
"""Share of the timings in slow moments that is worth a warning."""


@dataclass(frozen=True)
class Figure:
    """One model's time.

    Attributes:
        ms: median of its timings, each the fastest call of some turns, as they would have been in the usual state of the
            machine (see `common_state`). Those of groups that were slow are left out, where two others remain.
        spread: half the range between their quartiles, in milliseconds.
        count: of them.
    """

    ms: float
    spread: float
    count: int


@dataclass(frozen=True)
class Timings:
    """The figures of a folder.

    Attributes:
        figures: by the model's index; models that were never timed are absent.
        device: processor, system, runtime with its version; empty before anything was timed.
        finished: whether the runner came to its end.
        drift: largest change of the reference between thirds of the rounds, as a share.
        busy: share of the timings that other programs disturbed; None where the device does not tell.
        slow: share of the timings in groups that were slower than usual by more than the plan allows.
    """

    figures: Mapping[int, Figure]
    device: Mapping[str, Any]
    finished: bool
    drift: float
    busy: float | None
    slow: float

    def warnings(self) -> list[str]:
        """What makes the figures doubtful, in sentences."""
        found = []
        if self.drift > DRIFT:
            found.append(
                f"the device's clock drifted: the reference changed by {self.drift:.0%} meanwhile. What slowed all models "
                "alike is taken out; where whole networks are told badly all the same, cool the device, fix its clock, and "
                "measure again"
            )
        noisy = [figure for figure in self.figures.values() if figure.spread > NOISE * figure.ms]
        if len(noisy) > len(self.figures) / 10:
            found.append(
                f"the machine is noisy: {len(noisy)} of {len(self.figures)} models spread by more than {NOISE:.0%}. Stop other "
                "programs and measure again"
            )
        if self.busy is not None and self.busy > 0.1:
            found.append(f"other programs kept the processors busy during {self.busy:.0%} of the timings")
        if self.slow > MUCH:
            found.append(
                f"everything was slow during {self.slow:.0%} of the timings, which were left out where others remained: the "
                "clock changes, or other guests share the machine's host. Measure again at a quieter time, with more rounds"
            )
        return found


def read_timings(folder: Path, plan: Plan) -> Timings:
    """The figures so far. Raises NasError for a file that is none of the runner's."""
    device = read_json(folder / "device.json", "description of a device") if (folder / "device.json").exists() else {}
    return summarised(_entries(folder, plan), device if isinstance(device, dict) else {}, plan.slowed)


def summarised(entries: Iterable[Entry], device: Mapping[str, Any], slowed: float) -> Timings:
    """The figures of all timings, with what `device.json` holds.

    Args:
        slowed: see `Plan`.
    """
    every = list(entries)
    busy = [share for _, _, _, share in every if share is not None]
    figures, slow = _figures(every, slowed) if every else ({}, 0.0)
    return Timings(
        figures,
        device.get("device", {}),
        bool(device.get("finished")),
        _drift(every),
        float(np.mean(np.array(busy) > BUSY)) if busy else None,
        slow,
    )


def _figures(entries: Sequence[Entry], slowed: float) -> tuple[dict[int, Figure], float]:
    """The figures, and the share of the timings that were slow."""
    models = np.array([model for model, *_ in entries])
    # The reference is written down first of its group.
    groups = np.cumsum(models < 0, dtype=np.int64)
    found = fitted_states(models + 1, groups, np.array([milliseconds for _, _, milliseconds, _ in entries]))
    slow = found.states > 1 + slowed
    steady = np.bincount(models[~slow] + 1, minlength=int(models.max()) + 2)
    kept = ~slow | (steady[models + 1] < FEWEST)
    figures = {}
    for model in np.unique(models[models >= 0]).tolist():
        values = found.usual[kept & (models == model)]
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
        figures[model] = Figure(middle, (high - low) / 2, len(values))
    return figures, float(slow.mean())


def _entries(folder: Path, plan: Plan) -> Iterator[Entry]:
    """What stands in `timings.jsonl`."""
    path = folder / "timings.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    for number, line in enumerate(lines, 1):
        if not line.endswith("\n"):
            break  # the runner was stopped while it wrote
        try:
            entry = parsed(line)
            model, at, milliseconds = int(entry["model"]), int(entry["round"]), float(entry["ms"])
            disturbed = entry["busy"] if entry["busy"] is None else float(entry["busy"])
        except (ValueError, KeyError, TypeError) as error:
            raise NasError(f"{path}, line {number} is no timing: {line.strip()[:80]}") from error
        if not -1 <= model < len(plan.models) or not milliseconds > 0 or not np.isfinite(milliseconds):
            raise NasError(f"{path}, line {number} is no timing of a model of {folder / 'plan.json'}: {line.strip()[:80]}")
        yield model, at, milliseconds, disturbed


def _drift(entries: Iterable[Entry]) -> float:
    """Largest change of the reference between thirds of the rounds."""
    rounds: dict[int, list[float]] = {}
    for model, at, milliseconds, _ in entries:
        if model < 0:
            rounds.setdefault(at, []).append(milliseconds)
    ordered = [median(rounds[number]) for number in sorted(rounds)]
    if len(ordered) < 3:
        return 0.0
    thirds = [float(np.median(part)) for part in np.array_split(np.array(ordered), 3)]
    return max(thirds) / min(thirds) - 1
