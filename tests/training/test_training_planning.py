"""Minutes become steps by timing a few."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_training import recipe, stepper, tiny_space

import nas.training.planning
from nas.base.errors import NasError
from nas.training import Stepper, steps_for_minutes
from nas.training.trainers.uniform import Uniform


class FakeClock:
    """Time that passes in `run` alone: two slow steps to begin with, an outlier at the end, one in between typical."""

    SHARES = (1000.0, 1000.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.25, 1.5, 1000.0)

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds = 0.0, seconds

    def perf_counter(self) -> float:
        return self.now

    def run(self, step: int) -> float:
        self.now += self.seconds * self.SHARES[step]
        return 0.0


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(seconds: float) -> Stepper:
        clock = FakeClock(seconds)
        monkeypatch.setattr(nas.training.planning, "time", clock)
        made = stepper(tiny_space().supernet(1, 16, 4), Uniform())
        monkeypatch.setattr(made, "run", clock.run)
        return made

    return make


@pytest.mark.parametrize(("minutes", "seconds", "steps"), [(10, 0.5, 1200), (0.5, 4.0, 7), (1, 60.0, 1)])
def test_the_steps_are_those_that_fit_by_the_typical_step(prepared: Any, minutes: float, seconds: float, steps: int) -> None:
    assert steps_for_minutes(minutes, prepared(seconds)) == steps


def test_too_little_time_is_an_error_that_says_what_a_step_takes(prepared: Any) -> None:
    with pytest.raises(NasError, match=r"0\.5 minutes are less than one training step, which takes 40\.0 s"):
        steps_for_minutes(0.5, prepared(40.0))


def test_real_steps_are_timed() -> None:
    supernet = tiny_space().supernet(1, 16, 4)
    assert steps_for_minutes(1, stepper(supernet, Uniform(), recipe(), steps=1_000_000)) > 10
