"""Turning minutes into a number of steps, so that the schedule has an end and a resumed run the same one."""

from __future__ import annotations

import statistics
import time

from nas.base.errors import NasError
from nas.training.step import Stepper

WARM_UP, TIMED = 2, 8

PHASE_WARM_UP, PHASE_TIMED = 1, 4
"""The same at the start of each phase, where a training has several."""


def steps_for_minutes(minutes: float, stepper: Stepper) -> int:
    """How many steps of a training fit into the time on this machine, by timing a few of each of its phases.

    The stepper's supernet is spent: its weights have moved.

    Args:
        stepper: with so many steps that each of its phases has some.

    Raises:
        NasError: not even one step fits, or the time of this training does not follow the number of steps.
    """
    cycle = stepper.trainer.cycle(stepper.recipe, stepper.steps_per_epoch)
    if cycle is None:
        raise NasError(
            f"trainer {type(stepper.trainer).__name__} takes time that does not follow its number of steps, so that minutes "
            "cannot be planned; give --steps or --epochs instead of --minutes"
        )
    starts = sorted({0, *(phase.start for phase in stepper.trainer.phases(stepper.steps, stepper.recipe))})
    ends = [*starts[1:], stepper.steps]
    warm_up, timed = (WARM_UP, TIMED) if len(starts) == 1 else (PHASE_WARM_UP, PHASE_TIMED)
    typical = 0.0
    with stepper:
        for start, end in zip(starts, ends, strict=True):
            count = warm_up + max(timed, cycle)
            seconds = [_timed(stepper, step) for step in range(start, min(end, start + count))]
            found = seconds[warm_up:] or seconds
            middle = statistics.median(found) if cycle == 1 else statistics.fmean(found[: len(found) // cycle * cycle] or found)
            typical += middle * (end - start) / stepper.steps
    steps = int(minutes * 60 / typical)
    if steps < 1:
        raise NasError(f"{minutes:g} minutes are less than one training step, which takes {typical:.1f} s; allow more")
    return steps


def _timed(stepper: Stepper, step: int) -> float:
    """Seconds that a step takes."""
    start = time.perf_counter()
    stepper.run(step)
    return time.perf_counter() - start
