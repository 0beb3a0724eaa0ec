"""Minutes become steps by timing a few."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_training import recipe, stepper, tiny_space

import nas.training.planning
from nas.base.errors import NasError
from nas.training import Phase, Recipe, Stepper, steps_for_minutes
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


class Phased(Uniform):
    """A short phase of dear steps between two long ones."""

    def phases(self, steps: int, recipe: Recipe) -> list[Phase]:
        return [Phase("one", 0, ""), Phase("two", steps // 2, ""), Phase("three", steps * 3 // 5, "")]


def test_every_phase_counts_with_its_own_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 1, 6 and 2 seconds for half, a tenth and four tenths of the training: 1.9 seconds on average."""
    made = stepper(tiny_space().supernet(1, 16, 4), Phased(), steps=1_000_000)
    clock, done = FakeClock(1.0), []

    def run(step: int) -> float:
        typical = 1.0 if step < 500_000 else 6.0 if step < 600_000 else 2.0
        clock.now += typical * (100.0 if step in (0, 500_000, 600_000) else 1.0)  # the first is slow
        done.append(step)
        return 0.0

    monkeypatch.setattr(nas.training.planning, "time", clock)
    monkeypatch.setattr(made, "run", run)
    assert steps_for_minutes(19, made) == 600
    assert {step // 100_000 for step in done} == {0, 5, 6}
    assert len(done) < 30


def test_a_phase_of_a_single_step_is_timed_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = stepper(tiny_space().supernet(1, 16, 4), Phased(), steps=5)
    clock = FakeClock(1.0)

    def run(step: int) -> float:
        clock.now += 2.0
        return 0.0

    monkeypatch.setattr(nas.training.planning, "time", clock)
    monkeypatch.setattr(made, "run", run)
    assert steps_for_minutes(1, made) == 30


class Cycling(Uniform):
    """Every third step does more."""

    def cycle(self, recipe: Recipe, steps_per_epoch: int) -> int:
        return 3


class Unsteady(Uniform):
    def cycle(self, recipe: Recipe, steps_per_epoch: int) -> None:
        return None


def test_work_that_comes_every_few_steps_counts_with_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    made = stepper(tiny_space().supernet(1, 16, 4), Cycling())
    clock = FakeClock(1.0)

    def run(step: int) -> float:
        clock.now += 7.0 if step % 3 == 2 else 1.0
        return 0.0

    monkeypatch.setattr(nas.training.planning, "time", clock)
    monkeypatch.setattr(made, "run", run)
    assert steps_for_minutes(1, made) == 20


def test_minutes_are_refused_where_time_does_not_follow_the_steps() -> None:
    made = stepper(tiny_space().supernet(1, 16, 4), Unsteady())
    with pytest.raises(NasError, match=r"give --steps or --epochs instead of --minutes"):
        steps_for_minutes(1, made)
