"""Evaluations on real Ray workers: the same history as in one process, whatever becomes of a worker."""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from tiny_search import at_most, decisions, linear

from nas.architectures import SearchSpace
from nas.base.errors import NasError
from nas.searching import ArrayHistory, Problem, ray_executor, search
from nas.searching.ray_executor import RayExecutor
from nas.searching.strategies.evolution import Evolution

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'nas-toolkit[ray]'")
pytestmark = pytest.mark.slow

SPACE = SearchSpace("toy", decisions(genes=6, options=3))


def make(folder: str, deadly: int = 0, both: bool = False, hanging: bool = False) -> Callable[..., Mapping[str, float]]:
    """An evaluation that writes down by whom each row was evaluated; the first workers kill themselves in the middle."""
    place = Path(folder)

    def evaluate(row: np.ndarray, fidelity: float = 1.0) -> Mapping[str, float]:
        number = len(list(place.iterdir()))
        (place / f"{time.time_ns()}-{os.getpid()}").write_text(row.tobytes().hex())
        deadline = time.monotonic() + 120
        while both and len({path.name.rpartition("-")[2] for path in place.iterdir()}) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        if number >= 5 and len(list(place.glob("died*"))) < deadly:
            (place / f"died-{os.getpid()}").write_text(row.tobytes().hex())
            os.kill(os.getpid(), signal.SIGKILL)
        if hanging and row[0] == 2:
            time.sleep(3600)
        if row[1] == 2:
            raise RuntimeError("broken")
        return {"top1": float(linear(row[None])[0])}

    return evaluate


def evaluated(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.iterdir()) if not path.name.startswith("died")]


def serial(evaluations: int) -> ArrayHistory:
    def evaluate(row: np.ndarray) -> Mapping[str, float]:
        if row[1] == 2:
            raise RuntimeError("broken")
        return {"top1": float(linear(row[None])[0])}

    history = ArrayHistory(6)
    search(Evolution(Problem(SPACE.decisions, (at_most(8),)), 0), history, evaluate, evaluations)
    return history


def on_ray(make_it: Callable[..., object], evaluations: int, seconds: float | None = None) -> ArrayHistory:
    history = ArrayHistory(6)
    executor = RayExecutor(lambda: make_it, workers=2, seconds=seconds)
    try:
        search(Evolution(Problem(SPACE.decisions, (at_most(8),)), 0), history, executor, evaluations)
    finally:
        executor.close()
    return history


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """A cluster of two processes on this machine."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    here = str(Path(__file__).parent)
    environment = {"env_vars": {"PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])}}
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    yield
    ray.shutdown()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a worker takes to start is the machine's affair: on a busy one it was three minutes."""
    monkeypatch.setattr(ray_executor, "START_SECONDS", 3600.0)


def assert_same(first: ArrayHistory, second: ArrayHistory) -> None:
    np.testing.assert_array_equal(first.rows(), second.rows())
    np.testing.assert_array_equal(first.scores(), second.scores())


def test_two_workers_give_the_history_of_one_process(tmp_path: Path) -> None:
    history = on_ray(functools.partial(make, str(tmp_path), both=True), 80)
    assert_same(history, serial(80))
    asked = evaluated(tmp_path)
    assert len(asked) == len(set(asked)) == 80
    assert np.isneginf(history.scores()).any()
    assert len({path.name.rpartition("-")[2] for path in tmp_path.iterdir()}) == 2


def test_a_killed_worker_loses_only_its_own_evaluation(tmp_path: Path) -> None:
    history = on_ray(functools.partial(make, str(tmp_path), deadly=1), 70)
    assert_same(history, serial(70))
    asked = evaluated(tmp_path)
    (lost,) = [path.read_text() for path in tmp_path.glob("died*")]
    assert len(asked) == 71
    assert sorted(asked) == sorted([*set(asked), lost])


def test_an_evaluation_that_hangs_is_ended_and_failed(tmp_path: Path) -> None:
    history = on_ray(functools.partial(make, str(tmp_path), hanging=True), 8, seconds=3.0)
    hung = history.rows()[:, 0] == 2
    assert 0 < hung.sum() < 8
    failed = np.isneginf(history.scores())
    np.testing.assert_array_equal(failed, hung | (history.rows()[:, 1] == 2))


def refusing() -> Callable[..., Mapping[str, float]]:
    raise NasError("the data is not here")


def test_workers_that_cannot_evaluate_say_why(tmp_path: Path) -> None:
    with pytest.raises(NasError, match=r"Ray worker cannot evaluate this run: .*the data is not here"):
        on_ray(refusing, 12)


def deadly() -> Callable[..., Mapping[str, float]]:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def test_workers_that_all_die_end_the_search() -> None:
    with pytest.raises(NasError, match="die one after the other"):
        on_ray(deadly, 12)


class Blocker:
    """Takes all processors."""


def test_a_cluster_whose_processors_are_taken_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_executor, "START_SECONDS", 1.0)
    blocker = ray.remote(num_cpus=2)(Blocker).remote()
    try:
        ray.get(blocker.__ray_ready__.remote())
        with pytest.raises(NasError, match="no worker of the Ray cluster started"):
            on_ray(deadly, 12)
    finally:
        ray.kill(blocker)
