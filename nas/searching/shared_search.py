"""One search by several machines over a database: one of them proposes, all evaluate."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from nas.base.errors import NasError
from nas.base.progress import Reporter, Silent
from nas.searching.executor import Evaluate, Outcome, measured
from nas.searching.work_study import WorkStudy

BEAT_SECONDS = 5.0
"""How often a machine lets others hear that its evaluation goes on."""

DEAD_SECONDS = 60.0
"""A machine that was not heard of for so long is taken to be gone, and its evaluation is made again."""

POLL_SECONDS = 0.2
"""How often a machine that has nothing to do looks again."""

PATIENCE_SECONDS = 1800.0
"""After which a machine that helps no longer waits for a search of which nothing is heard."""


class SharedExecutor:
    """An `Executor` that shares its evaluations out by a study, and makes some of them itself.

    Evaluations that were made before this process began are found in the study.

    Args:
        evaluate: as on every other machine.
        seconds: after which an evaluation fails; None for no limit.
    """

    def __init__(
        self, study: WorkStudy, evaluate: Evaluate, seconds: float | None = None, reporter: Reporter | None = None
    ) -> None:
        self._study, self._evaluate, self._seconds = study, evaluate, seconds
        self._reporter = reporter or Silent()
        self._numbers = study.numbers()
        self._heard: dict[int, tuple[tuple[str | None, int], float]] = {}
        study.finished = False
        self._leads = contextlib.ExitStack()
        self._leads.enter_context(_beating(study.lead))

    def outcomes(self, rows: Sequence[np.ndarray], fidelity: float) -> Iterator[Outcome]:
        """See `Executor`."""
        numbers = []
        for row in rows:
            key = (row.tobytes(), fidelity)
            if key not in self._numbers:
                self._numbers[key] = self._study.put(row, fidelity)
            numbers.append(self._numbers[key])
        for number in numbers:
            outcome = self._study.outcome(number)
            while outcome is None:
                self._give_back_what_is_lost()
                if not evaluate_one(self._study, self._evaluate, self._seconds):
                    time.sleep(POLL_SECONDS)
                outcome = self._study.outcome(number)
            yield outcome

    def close(self, over: bool) -> None:
        """Leave the study; `over` lets the other machines go."""
        self._leads.close()
        if over:
            self._study.finished = True
        self._study.close()

    def _give_back_what_is_lost(self) -> None:
        """Evaluations of which nothing was heard on this process's own clock for long are given to others."""
        now, running = time.monotonic(), self._study.running()
        self._heard = {
            number: known if (known := self._heard.get(number)) is not None and known[0] == sign else (sign, now)
            for number, sign in running.items()
        }
        for number, (sign, since) in list(self._heard.items()):
            if now - since > DEAD_SECONDS:
                self._reporter.say("a machine is gone; what it was evaluating is evaluated again")
                self._study.give_back(number, sign[0])
                del self._heard[number]


def help_with(study: WorkStudy, evaluate: Evaluate, seconds: float | None = None, reporter: Reporter | None = None) -> int:
    """Evaluate what is to be evaluated until the search is over; returns how many evaluations were made here.

    Raises:
        NasError: nothing can be evaluated here, the database is gone, or nothing is heard of the machine that searches.
    """
    reporter, made = reporter or Silent(), 0
    leader, heard, said = study.leader, time.monotonic(), False  # what was heard last, and when
    while True:
        if evaluate_one(study, evaluate, seconds):
            made += 1
            reporter.advance(made)
            continue
        if study.finished:
            return made
        if (now := study.leader) != leader:
            leader, heard, said = now, time.monotonic(), False
        silence = time.monotonic() - heard
        if silence > PATIENCE_SECONDS:
            raise NasError(
                f"the machine that searches was not heard of for {silence / 60:.0f} minutes; go on with the search there, with "
                "nas resume, then join it again"
            )
        if silence > DEAD_SECONDS and not said:
            reporter.say("nothing is heard of the machine that searches; waiting until it goes on, with nas resume")
            said = True
        time.sleep(POLL_SECONDS)


def evaluate_one(study: WorkStudy, evaluate: Evaluate, seconds: float | None = None) -> bool:
    """Take an evaluation that nobody makes, if there is one, and make it."""
    job = study.claim()
    if job is None:
        return False
    try:
        with _beating(partial(study.beat, job), None if seconds is None else seconds + DEAD_SECONDS):
            outcome = measured(evaluate, job.row, job.fidelity, seconds)
    except BaseException:
        # Whatever ends this process is not the architecture's fault: others may have it at once.
        with contextlib.suppress(NasError):
            study.give_back(job.number, study.me, lost=0)
        raise
    study.tell(job, outcome)
    return True


@contextlib.contextmanager
def _beating(beat: Callable[[int], None], seconds: float | None = None) -> Iterator[None]:
    """While inside, others hear of this process.

    Args:
        beat: lets them hear; takes how often it is called.
        seconds: after which nothing more is heard, so that what cannot be interrupted is given to others.
    """
    done, begun = threading.Event(), time.monotonic()

    def go_on() -> None:
        count = 0
        while not done.wait(BEAT_SECONDS) and (seconds is None or time.monotonic() - begun < seconds):
            count += 1
            # A database that is gone for a moment is told of by whoever needs it.
            with contextlib.suppress(NasError):
                beat(count)

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
