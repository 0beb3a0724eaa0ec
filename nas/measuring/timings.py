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
from nas.measuring.plan import Plan
from nas.measuring.runner import BUSY, USUAL

Rounds = dict[int, dict[int, list[float]]]
"""Model -> round -> milliseconds."""

Entry = tuple[int, int, float, float | None]
"""One timing: model or -1 for the reference, round, milliseconds, processors that other programs kept busy."""

DRIFT = 0.03
"""Change of the reference over the rounds above which the clock of a device is said to drift."""

NOISE = 0.05
"""Spread of a model above which a machine is said to be noisy, if more than a tenth of its models have it."""

FEWEST = 2
"""Rounds that must remain of a model where those beside a slow reference are left out."""

MUCH = 0.25
"""Share of the timings beside a slow reference that is worth a warning."""


@dataclass(frozen=True)
class Figure:
    """One model's time.

    Attributes:
        ms: median over the rounds of each one's fastest call. Rounds in which the reference was slow beside every timing of
            the model are left out, where two others remain.
        spread: half the range between the quartiles of the rounds, in milliseconds.
        count: rounds.
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
        slow: share of the timings beside which the reference was slow.
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
                f"the device's clock drifted: the reference changed by {self.drift:.0%} meanwhile. Cool the device, fix its "
                "clock, and measure again"
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
                f"the reference was slow beside {self.slow:.0%} of the timings, which were left out where others remained: the "
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
    slow = _beside_slow([(model, milliseconds) for model, _, milliseconds, _ in every], slowed)
    rounds: Rounds = {}
    steady: Rounds = {}
    for (model, at, milliseconds, _), disturbed in zip(every, slow, strict=True):
        rounds.setdefault(model, {}).setdefault(at, []).append(milliseconds)
        if not disturbed:
            steady.setdefault(model, {}).setdefault(at, []).append(milliseconds)
    busy = [share for _, _, _, share in every if share is not None]
    figures = {}
    for model, known in rounds.items():
        if model >= 0:
            kept = steady.get(model, {})
            figures[model] = _figure([min(ms) for ms in (kept if len(kept) >= FEWEST else known).values()])
    return Timings(
        figures,
        device.get("device", {}),
        bool(device.get("finished")),
        _drift(rounds.get(-1, {})),
        float(np.mean(np.array(busy) > BUSY)) if busy else None,
        sum(slow) / max(1, len(slow)),
    )


def _beside_slow(timings: Sequence[tuple[int, float]], slowed: float) -> list[bool]:
    """For each timing, (model, milliseconds) in the order in which they were taken, whether the reference before or after it
    was slow."""
    places = [place for place, (model, _) in enumerate(timings) if model < 0]
    if not places:
        return [False] * len(timings)
    times = np.array([timings[place][1] for place in places])
    slow = times > (1 + slowed) * np.quantile(times, USUAL)
    after = np.searchsorted(places, np.arange(len(timings)))
    found: list[bool] = (slow[np.maximum(after - 1, 0)] | slow[np.minimum(after, len(places) - 1)]).tolist()
    return found


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


def _figure(values: list[float]) -> Figure:
    low, high = np.quantile(values, [0.25, 0.75])
    return Figure(median(values), float(high - low) / 2, len(values))


def _drift(rounds: Mapping[int, list[float]]) -> float:
    ordered = [median(rounds[number]) for number in sorted(rounds)]
    if len(ordered) < 3:
        return 0.0
    thirds = [float(np.median(part)) for part in np.array_split(np.array(ordered), 3)]
    return max(thirds) / min(thirds) - 1
