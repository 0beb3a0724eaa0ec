"""Turning minutes into a number of steps, so that the schedule has an end and a resumed run the same one."""

from __future__ import annotations

import statistics
import time

from nas.base.errors import NasError
from nas.training.step import Stepper

WARM_UP, TIMED = 2, 8


def steps_for_minutes(minutes: float, stepper: Stepper) -> int:
    """How many steps of a training fit into the time on this machine, by timing a few.

    The stepper's supernet is spent: its weights have moved. Raises NasError when not even one step fits.
    """
    seconds = []
    with stepper:
        for step in range(WARM_UP + TIMED):
            start = time.perf_counter()
            stepper.run(step)
            seconds.append(time.perf_counter() - start)
    typical = statistics.median(seconds[WARM_UP:])
    steps = int(minutes * 60 / typical)
    if steps < 1:
        raise NasError(f"{minutes:g} minutes are less than one training step, which takes {typical:.1f} s; allow more")
    return steps
