"""Evaluations on a Ray cluster: each worker evaluates one architecture at a time, and one that dies loses only that."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nas.base.errors import NasError
from nas.base.interrupts import out_of_time
from nas.base.progress import Reporter, Silent
from nas.searching.executor import Evaluate, Outcome, failure, measured

TRIES = 3
"""Workers that one architecture, or the opening of the run, may cost before it counts as failed."""

START_SECONDS = 900.0
"""After which a cluster on which no worker has started is given up. On a busy machine the imports alone take minutes."""

Make = Callable[[], Evaluate]
"""Makes the evaluation, in the worker; it travels there."""


class Worker:
    """What runs in a process of the cluster."""

    def __init__(self) -> None:
        self._evaluate: Evaluate | None = None

    def open(self, make: Make) -> str | None:
        """Make the evaluation; returns why it cannot be made."""
        try:
            self._evaluate = make()
        except Exception as error:
            told = str(error) if isinstance(error, NasError) else failure(error)
            return f"on {platform.node()}: {told}"
        return None

    def evaluate(self, row: np.ndarray, fidelity: float) -> tuple[bool, Outcome]:
        """(whether anything can be evaluated, what came of it or why nothing can)."""
        assert self._evaluate is not None
        try:
            return True, measured(self._evaluate, row, fidelity)
        except NasError as error:
            return False, str(error)


@dataclass
class _Call:
    """What a worker is at.

    Attributes:
        place: of the architecture in its batch; None while the worker opens the run.
        started: ready once the worker runs.
        begun: on this process's clock.
    """

    worker: Any
    place: int | None
    started: Any = None
    begun: float = field(default_factory=time.monotonic)


class RayExecutor:
    """An `Executor` on the processes of a Ray cluster, which is joined with the first evaluation.

    An architecture whose worker dies is evaluated again by another one.

    Args:
        carry: gives what makes the evaluation in each worker; asked for with the first evaluation.
        address: of the cluster, 'auto' for the one that runs on this machine; None for the one that RAY_ADDRESS names, and
            where it names none for this machine's own cores, which nobody else then uses.
        workers: how many at most; by default one for each core, or for each GPU where they are used.
        gpu: whether each worker needs a GPU; by default where the cluster has some.
        seconds: after which an evaluation fails, and its worker is replaced; None for no limit.
    """

    def __init__(
        self,
        carry: Callable[[], Make],
        address: str | None = None,
        workers: int | None = None,
        gpu: bool | None = None,
        seconds: float | None = None,
        reporter: Reporter | None = None,
    ) -> None:
        require_ray()
        self._carry, self._address, self._gpu, self._seconds = carry, address, gpu, seconds
        self._wanted, self._reporter = workers, reporter or Silent()
        self._calls: dict[Any, _Call] = {}
        self._idle: list[Any] = []
        self._lost = 0
        self._made: Any = None
        self._actor: Any = None
        self._ours = False

    def outcomes(self, rows: Sequence[np.ndarray], fidelity: float) -> Iterator[Outcome]:
        """See `Executor`."""
        if rows and self._made is None:
            self._join()
        waiting, tries = deque(range(len(rows))), Counter[int]()
        found: dict[int, Outcome] = {}
        for place in range(len(rows)):
            while place not in found:
                while self._idle and waiting:
                    worker, other = self._idle.pop(), waiting.popleft()
                    self._calls[worker.evaluate.remote(rows[other], fidelity)] = _Call(worker, other)
                for other, outcome in self._ended():
                    if outcome is not None:
                        found[other] = outcome
                        continue
                    tries[other] += 1
                    if tries[other] == TRIES:
                        found[other] = f"the worker died while it evaluated this, {TRIES} times"
                    else:
                        waiting.appendleft(other)
            yield found.pop(place)

    def close(self) -> None:
        """Let the workers go, and leave a cluster that this object joined."""
        import ray

        for worker in [*self._idle, *(call.worker for call in self._calls.values())]:
            with contextlib.suppress(Exception):
                ray.kill(worker)
        self._calls, self._idle, self._made = {}, [], None
        if self._ours:
            ray.shutdown()

    def _ended(self) -> Iterator[tuple[int, Outcome | None]]:
        """(place, outcome) of evaluations that have ended; None where the worker died. Waits for one of them."""
        import ray

        now = time.monotonic()
        self._require_started(now)
        for reference, call in list(self._calls.items()):
            if call.place is not None and self._seconds is not None and now - call.begun > self._seconds:
                del self._calls[reference]
                self._replace(call.worker)
                yield call.place, failure(out_of_time(self._seconds))
        ready, _ = ray.wait(list(self._calls), num_returns=1, timeout=1.0)
        for reference in ready:
            call = self._calls.pop(reference)
            try:
                answer = ray.get(reference)
            except ray.exceptions.RayError as error:
                yield from self._died(call, error)
                continue
            self._lost = 0
            self._idle.append(call.worker)
            if call.place is None:
                if answer is not None:
                    raise NasError(f"a Ray worker cannot evaluate this run: {answer}")
                continue
            possible, outcome = answer
            if not possible:
                raise NasError(str(outcome))
            yield call.place, outcome

    def _require_started(self, now: float) -> None:
        """Raise NasError where no worker has come to run for long; opening the run may take as long as it takes."""
        import ray

        if self._idle or not all(call.place is None and now - call.begun > START_SECONDS for call in self._calls.values()):
            return
        ready, _ = ray.wait([call.started for call in self._calls.values()], num_returns=1, timeout=0)
        if not ready:
            raise NasError(f"no worker of the Ray cluster started within {START_SECONDS:.0f} s; are its processors taken?")

    def _died(self, call: _Call, error: Exception) -> Iterator[tuple[int, None]]:
        """Put another worker in the place of one that is gone."""
        self._lost += 1
        if self._lost > TRIES * (self._wanted or 1):
            told = str(error).strip().splitlines()
            raise NasError(f"workers of the Ray cluster die one after the other: {told[0] if told else error!r}") from error
        self._reporter.say("a Ray worker died; what it was evaluating is evaluated again")
        self._replace(call.worker)
        if call.place is not None:
            yield call.place, None

    def _replace(self, worker: Any) -> None:
        import ray

        with contextlib.suppress(Exception):
            ray.kill(worker)
        self._start()

    def _start(self) -> None:
        worker = self._actor.remote()
        started = worker.__ray_ready__.remote()
        self._calls[worker.open.remote(self._made)] = _Call(worker, None, started)

    def _join(self) -> None:
        """Connect, and start the workers."""
        import ray

        if not ray.is_initialized():
            # Said before Ray starts: nothing is reported to anybody.
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            _connect(self._address, self._wanted)
            self._ours = True
        there = ray.cluster_resources()
        if self._gpu is None:
            self._gpu = there.get("GPU", 0) >= 1
        kind = "GPU" if self._gpu else "CPU"
        most = int(there.get(kind, 0))
        if most < 1:
            raise NasError(f"the Ray cluster has no {kind}; it has: {', '.join(sorted(there)) or 'nothing'}")
        self._wanted = min(self._wanted or most, most)
        self._actor = ray.remote(num_cpus=1, num_gpus=1 if self._gpu else 0, max_restarts=0, max_task_retries=0)(Worker)
        self._made = ray.put(self._carry())
        self._reporter.say(f"evaluating with {self._wanted} Ray workers on {len(ray.nodes())} machines")
        for _ in range(self._wanted):
            self._start()


def require_ray() -> None:
    """Raise NasError where Ray is not installed."""
    try:
        import ray  # noqa: F401
    except ImportError as error:
        raise NasError(
            "--executor ray needs Ray, which is not installed here; install it with: pip install 'nas-toolkit[ray]'"
        ) from error


def _connect(address: str | None, workers: int | None) -> None:
    """Join the cluster at an address; without one, start one of this machine's own cores."""
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    address = address or os.environ.get("RAY_ADDRESS")
    if address is None:
        ray.init(address="local", num_cpus=workers, include_dashboard=False, **quiet)
        return
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise NasError(f"no Ray cluster answers at {address}: {error}; start one with: ray start --head") from error
