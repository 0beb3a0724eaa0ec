"""A training that was killed, at whatever moment, ends as if it had not been."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_training import Scripted, long_training, recipe, row, same, stepper, tiny_space, weights

import nas.training.checkpoint
import nas.training.loop
from nas.base.errors import NasError
from nas.base.progress import Silent
from nas.supernet import Space
from nas.training import Recipe, Stepper, train
from nas.training.checkpoint import load_checkpoint, save_checkpoint
from nas.training.trainers.uniform import Uniform

FIGURES = {
    "sgd": recipe(clip_norm=1.0, schedule="cosine", warmup=0.3),
    "adamw": recipe(optimiser="adamw", learning_rate=0.01, norm_affine=False),
    "plain sgd": recipe(momentum=0.0),
}


@pytest.fixture(scope="module")
def space() -> Space:
    return tiny_space(dropout=0.3)


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every step, whatever the clock says."""
    monkeypatch.setattr(nas.training.loop, "CHECKPOINT_SECONDS", -1.0)


class Interrupting(Silent):
    """Somebody presses Ctrl-C while step `at` is being reported, that is before its checkpoint."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.started: tuple[str, int, int] | None = None
        self.finished = 0

    def start(self, title: str, total: int, done: int = 0) -> None:
        self.started = (title, total, done)

    def advance(self, done: int, note: str = "") -> None:
        if done == self.at:
            raise KeyboardInterrupt

    def finish(self) -> None:
        self.finished += 1


def fresh(space: Space, figures: Recipe, **more: Any) -> Stepper:
    return stepper(space.supernet(1, 16, 4, seed=5), Uniform(), figures, **more)


def facts_of(path: Path) -> dict[str, Any]:
    """What a checkpoint says of itself."""
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["facts"])  # type: ignore[no-any-return]


def optimiser_state(of: Stepper) -> dict[str, torch.Tensor]:
    return {
        f"{name}/{key}": torch.as_tensor(value).clone()
        for name, parameter in of.supernet.named_parameters()
        for key, value in of.optimiser.state.get(parameter, {}).items()
        if value is not None
    }


def assert_same_end(first: Stepper, second: Stepper) -> None:
    assert same(weights(first.supernet), weights(second.supernet))
    assert same(optimiser_state(first), optimiser_state(second))


@pytest.mark.parametrize("figures", FIGURES.values(), ids=FIGURES)
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.usefixtures("every_step")
def test_an_interrupted_training_ends_to_the_bit_like_an_uninterrupted_one(
    space: Space, tmp_path: Path, figures: Recipe, precision: str
) -> None:
    whole = fresh(space, figures, precision=precision)
    expected = train(whole)
    path = tmp_path / "checkpoint"
    reporter = Interrupting(at=6)
    with pytest.raises(KeyboardInterrupt):
        train(fresh(space, figures, precision=precision), path, reporter)
    assert reporter.finished == 1
    assert facts_of(path)["step"] == 5
    again = Interrupting(at=9)
    with pytest.raises(KeyboardInterrupt):
        train(fresh(space, figures, precision=precision), path, again)
    assert again.started == ("training", 12, 5)
    resumed = fresh(space, figures, precision=precision)
    result = train(resumed, path)
    assert result.losses == expected.losses
    assert len(result.losses) == 12
    assert_same_end(whole, resumed)


@pytest.mark.usefixtures("every_step")
def test_an_exception_in_the_middle_of_a_step_is_survived(space: Space, tmp_path: Path) -> None:
    """Between the backward pass and the optimiser, where gradients stand half made."""
    whole = fresh(space, FIGURES["sgd"])
    expected = train(whole)
    broken = fresh(space, FIGURES["sgd"])
    original, calls = broken.optimiser.step, []

    def step(*_: Any) -> Any:
        calls.append(0)
        if len(calls) == 4:
            raise MemoryError
        return original()

    broken.optimiser.step = step  # type: ignore[method-assign]
    with pytest.raises(MemoryError):
        train(broken, tmp_path / "checkpoint")
    assert all(parameter.grad is None for parameter in broken.supernet.parameters())
    resumed = fresh(space, FIGURES["sgd"])
    assert train(resumed, tmp_path / "checkpoint").losses == expected.losses
    assert_same_end(whole, resumed)


@pytest.mark.usefixtures("every_step")
def test_checkpoints_do_not_change_the_training(space: Space, tmp_path: Path) -> None:
    with_file, without = fresh(space, FIGURES["sgd"]), fresh(space, FIGURES["sgd"])
    assert train(with_file, tmp_path / "checkpoint").losses == train(without).losses
    assert_same_end(with_file, without)


def test_a_finished_training_is_not_repeated(space: Space, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    done = fresh(space, FIGURES["sgd"])
    result = train(done, path)
    again = fresh(space, FIGURES["sgd"])
    again.run = None  # type: ignore[assignment,method-assign]  a call would fail
    repeated = train(again, path)
    assert repeated.losses == result.losses
    assert repeated.seconds >= facts_of(path)["seconds"] > 0
    assert_same_end(done, again)


def test_the_time_of_all_attempts_is_added(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every_step: None
) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr(nas.training.loop.time, "monotonic", lambda: float(next(clock)))
    path = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        train(fresh(space, FIGURES["sgd"]), path, Interrupting(at=6))
    first = facts_of(path)["seconds"]
    assert first >= 5
    assert train(fresh(space, FIGURES["sgd"]), path).seconds >= first + 7
    assert facts_of(path)["seconds"] >= first + 7


def test_checkpoints_are_as_rare_as_asked(space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One second a step, a checkpoint after more than three, and always one at the end."""
    now, saved = [0.0], []
    monkeypatch.setattr(nas.training.loop.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(nas.training.loop, "CHECKPOINT_SECONDS", 3.0)
    monkeypatch.setattr(nas.training.loop, "save_checkpoint", lambda *given: saved.append(given[3]["step"]))

    class Clock(Silent):
        def advance(self, done: int, note: str = "") -> None:
            now[0] += 1.0

    train(fresh(space, FIGURES["sgd"], steps=10), tmp_path / "checkpoint", Clock())
    assert saved == [4, 8, 10]


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_killed_process_is_resumed_to_the_bit(tmp_path: Path, optimiser: str) -> None:
    path = tmp_path / "checkpoint"
    code = f"from tiny_training import train_in_subprocess as train; train({str(path)!r}, {optimiser!r})"
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 20:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    reached = facts_of(path)["step"]
    assert 19 <= reached < 60
    whole, resumed = long_training(optimiser), long_training(optimiser)
    expected = train(whole)
    assert train(resumed, path).losses == expected.losses
    assert_same_end(whole, resumed)


def test_weights_and_facts_come_back_as_saved(space: Space, tmp_path: Path) -> None:
    supernet, other = space.supernet(1, 16, 4, seed=1), space.supernet(1, 16, 4, seed=2)
    save_checkpoint(tmp_path / "file", supernet, None, {"step": 3, "losses": [0.1, 1 / 3]})
    assert load_checkpoint(tmp_path / "file", other, None) == {"step": 3, "losses": [0.1, 1 / 3]}
    assert facts_of(tmp_path / "file") == {"step": 3}, "losses of millions of steps are no JSON"
    assert same(weights(supernet), weights(other))


@pytest.fixture
def saved(space: Space, tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint"
    train(fresh(space, FIGURES["sgd"], steps=2), path)
    return path


def resume(space: Space, path: Path, figures: Recipe | None = None, **more: Any) -> None:
    train(fresh(space, figures or FIGURES["sgd"], **{"steps": 2, **more}), path)


def test_a_truncated_checkpoint_is_refused_wherever_it_was_cut(space: Space, saved: Path) -> None:
    content = saved.read_bytes()
    resume(space, saved)
    for length in (0, 1, 7, 8, 100, 1000, len(content) // 2, len(content) - 1):
        saved.write_bytes(content[:length])
        with pytest.raises(NasError, match=r"checkpoint .* is truncated or is none"):
            resume(space, saved)


@pytest.mark.parametrize("content", [b"PK\x03\x04 a pickle of a stranger", b"\x00" * 64, b"{}"])
def test_another_kind_of_file_is_refused(space: Space, saved: Path, content: bytes) -> None:
    saved.write_bytes(content)
    with pytest.raises(NasError, match=r"checkpoint .* is truncated or is none"):
        resume(space, saved)


@pytest.mark.parametrize("metadata", [{"format": "2", "facts": "{}"}, {"facts": "{}"}, None])
def test_another_format_is_refused(space: Space, saved: Path, metadata: dict[str, str] | None) -> None:
    save_file(load_file(saved), saved, metadata=metadata)
    with pytest.raises(NasError, match=r"has format (2|unknown); this version reads format 1"):
        resume(space, saved)


def test_a_missing_checkpoint_is_named(space: Space, tmp_path: Path) -> None:
    with pytest.raises(NasError, match=r"checkpoint not found: .*nowhere does not exist"):
        load_checkpoint(tmp_path / "nowhere", space.supernet(1, 16, 4), None)


def test_the_checkpoint_of_another_network_is_refused(space: Space, saved: Path, mbconv: Space) -> None:
    classes = stepper(space.supernet(1, 16, 7), Uniform(), FIGURES["sgd"], steps=2)
    with pytest.raises(NasError, match=r"holds another network: '.*classifier.*' does not match; was it trained on"):
        train(classes, saved)
    elsewhere = stepper(mbconv.supernet(3, 32, 4), Uniform(), FIGURES["sgd"], steps=2)
    with pytest.raises(NasError, match="holds another network"):
        train(elsewhere, saved)


@pytest.mark.parametrize("change", [{"steps": 3}, {"seed": 4}, {"figures": recipe(clip_norm=2.0)}])
def test_the_checkpoint_of_another_plan_is_refused(space: Space, saved: Path, change: dict[str, Any]) -> None:
    with pytest.raises(NasError, match="belongs to another training plan"):
        resume(space, saved, **change)


def test_a_full_disk_is_said_to_be_full_and_the_earlier_checkpoint_stays(
    space: Space, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = saved.read_bytes()

    def full(*_: Any) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NasError, match="disk is full"):
        save_checkpoint(saved, space.supernet(1, 16, 4), None, {})
    assert saved.read_bytes() == content
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_file_that_may_grow_no_further_is_a_sentence_too(tmp_path: Path) -> None:
    """The real thing, in a process of its own whose files are limited to 1000 bytes."""
    code = """
import pathlib, resource, signal, sys
import torch
from nas.base.errors import NasError
from nas.training.checkpoint import save_checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save_checkpoint(pathlib.Path(sys.argv[1]), torch.nn.Linear(100, 100), None, {})
except NasError as error:
    print(error)
"""
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "checkpoint")], capture_output=True, text=True, check=True
    )
    assert "cannot write" in told.stdout
    assert list(tmp_path.iterdir()) == []


def test_dropout_is_the_seed_s_and_the_caller_s_random_numbers_are_untouched(space: Space) -> None:
    def losses(seed: int, outside: int) -> list[float]:
        torch.manual_seed(outside)
        before = torch.get_rng_state()
        made = stepper(space.supernet(1, 16, 4), Scripted(row(space)), seed=seed)
        result = train(made).losses
        assert torch.equal(before, torch.get_rng_state())
        return result

    assert losses(seed=1, outside=10) == losses(seed=1, outside=11)
    # One fixed architecture and the same batches: what differs is dropout alone.
    assert losses(seed=1, outside=10)[0] != losses(seed=2, outside=10)[0]


def test_dropout_differs_from_step_to_step(space: Space) -> None:
    with stepper(space.supernet(1, 16, 4), Scripted(row(space)), recipe(learning_rate=1e-30)) as steps:
        batch = steps.batches.batch(0)
        steps.batches.batch = lambda _: batch  # type: ignore[method-assign]
        losses = [steps.run(step) for step in (0, 1, 2, 0)]
    assert losses[0] == losses[3]
    assert len(set(losses)) == 3


def test_the_caller_s_random_numbers_are_restored_after_an_error(space: Space) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        train(fresh(space, FIGURES["sgd"]), reporter=Interrupting(at=2))
    assert torch.equal(before, torch.get_rng_state())
