"""What a training tells of its steps: once each, in order, whatever interrupted it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from tiny_training import recipe, stepper, tiny_space

import nas.training.logs
import nas.training.loop
from nas.base.errors import NasError
from nas.base.progress import Silent
from nas.supernet import Space
from nas.training import Stepper, open_log, train
from nas.training.logs import FIGURES, NoLog
from nas.training.schedules import rate_at
from nas.training.trainers.uniform import Uniform


class Kept(NoLog):
    """Everything that was told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.figures: dict[int, Mapping[str, float]] = {}

    def begin(self, done: int) -> None:
        self.told.append(("begin", done))

    def step(self, step: int, figures: Mapping[str, float]) -> None:
        self.told.append(("step", step))
        self.figures[step] = figures

    def flush(self) -> None:
        self.told.append(("flush", 0))

    def close(self) -> None:
        self.told.append(("close", 0))


class Stops(Silent):
    """The process ends while a step is reported, that is before its checkpoint."""

    def advance(self, done: int, note: str = "") -> None:
        if done == 5:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def space() -> Space:
    return tiny_space()


def fresh(space: Space) -> Stepper:
    return stepper(space.supernet(1, 16, 4, seed=5), Uniform(), recipe(schedule="cosine"), steps=8)


def test_every_step_is_told_with_its_figures(space: Space) -> None:
    log, made = Kept(), fresh(space)
    losses = train(made, log=log).losses
    assert log.told == [("begin", 0), *(("step", step) for step in range(1, 9)), ("close", 0)]
    for step, figures in log.figures.items():
        assert tuple(figures) == FIGURES
        assert figures["loss"] == losses[step - 1]
        assert figures["learning_rate"] == rate_at(made.recipe, step - 1, 8)
        assert figures["images_per_second"] > 0


def test_images_a_second_are_those_of_the_step(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    class Clock(Silent):
        def advance(self, done: int, note: str = "") -> None:
            now[0] += 0.5 * done

    monkeypatch.setattr(nas.training.loop.time, "monotonic", lambda: now[0])
    log = Kept()
    train(fresh(space), reporter=Clock(), log=log)
    assert [log.figures[step]["images_per_second"] for step in range(1, 9)] == [8 / (0.5 * step) for step in range(1, 9)]


def test_what_was_told_is_safe_before_the_checkpoint_that_relies_on_it(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nas.training.loop, "CHECKPOINT_SECONDS", -1.0)
    log = Kept()
    save = nas.training.loop.save_checkpoint

    def noted(*given: object) -> None:
        log.told.append(("checkpoint", given[3]["step"]))  # type: ignore[index]
        save(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(nas.training.loop, "save_checkpoint", noted)
    with pytest.raises(KeyboardInterrupt):
        train(fresh(space), tmp_path / "checkpoint", Stops(), log)
    every = [entry for step in (1, 2, 3, 4) for entry in (("step", step), ("flush", 0), ("checkpoint", step))]
    assert log.told == [("begin", 0), *every, ("close", 0)]
    again = Kept()
    train(fresh(space), tmp_path / "checkpoint", None, again)
    assert again.told[:2] == [("begin", 4), ("step", 5)]


def test_a_log_whose_library_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nas.training.logs, "find_spec", lambda name: None)
    with pytest.raises(NasError, match=r"TensorBoard.*pip install 'nas-toolkit\[log\]'"):
        open_log("tensorboard", tmp_path)
    assert isinstance(open_log("none", tmp_path), NoLog)


def test_tensorboard_shows_each_step_once_after_an_interruption(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(nas.training.loop, "CHECKPOINT_SECONDS", -1.0)
    saves: list[int] = []
    save = nas.training.loop.save_checkpoint

    def some(*given: object) -> None:
        """Only the third checkpoint is written, so that steps 4 and later are done twice."""
        saves.append(0)
        if len(saves) in (3, 8):
            save(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(nas.training.loop, "save_checkpoint", some)
    with pytest.raises(KeyboardInterrupt):
        train(fresh(space), tmp_path / "checkpoint", Stops(), open_log("tensorboard", tmp_path / "logs"))
    result = train(fresh(space), tmp_path / "checkpoint", None, open_log("tensorboard", tmp_path / "logs"))
    assert len(list((tmp_path / "logs").iterdir())) == 2
    shown = EventAccumulator(str(tmp_path / "logs"))
    shown.Reload()
    assert set(shown.Tags()["scalars"]) == {f"training/{name}" for name in FIGURES}
    events = shown.Scalars("training/loss")
    assert [event.step for event in events] == list(range(1, 9))
    assert [event.value for event in events] == pytest.approx(result.losses, rel=1e-6)
