"""Evaluations that several machines share out by an Optuna study in a database."""

from __future__ import annotations

import contextlib
import platform
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nas.architectures import SearchSpace
from nas.base.errors import NasError
from nas.searching.databases import answering, open_database
from nas.searching.executor import Outcome
from nas.searching.optuna_trials import row_in, written_out
from nas.searching.problem import Objective, figure

if TYPE_CHECKING:
    import optuna

TRIES = 3
"""Machines that one architecture may cost before it counts as failed."""


@dataclass(frozen=True)
class Job:
    """One evaluation that is to be made, or is being made.

    Attributes:
        number: of the trial in the database.
    """

    number: int
    row: npt.NDArray[np.uint8]
    fidelity: float


class WorkStudy:
    """A study whose waiting trials are evaluations to be made: whoever takes one makes it, and writes what came of it.

    Args:
        url: of the database, such as postgresql://user@host/name.
        name: of the study; made where there is none.

    Raises:
        NasError: the database does not answer, or cannot be talked to.
    """

    def __init__(self, url: str, name: str, space: SearchSpace, objectives: Sequence[Objective]) -> None:
        self._space, self._objectives, self._url = space, tuple(objectives), url
        self.me = f"{platform.node()}:{uuid.uuid4().hex[:12]}"
        self._identities: dict[int, int] = {}
        self._storage = open_database(url)
        with self._answering():
            self._study = self._opened(name)

    def put(self, row: npt.NDArray[np.uint8], fidelity: float) -> int:
        """Add an evaluation to be made; returns its number."""
        import optuna

        trial = optuna.trial.create_trial(
            state=optuna.trial.TrialState.WAITING,
            user_attrs={"row": row.tolist(), "fidelity": fidelity},
            **written_out(row, self._space),
        )
        with self._answering():
            identity = self._storage.create_new_trial(self._study, template_trial=trial)
            number = int(self._storage.get_trial(identity).number)
        self._identities[number] = identity
        return number

    def numbers(self) -> dict[tuple[bytes, float], int]:
        """The number of every evaluation there is, by its row and fidelity."""
        with self._answering():
            trials = self._storage.get_all_trials(self._study, deepcopy=False)
        jobs = [self._job(trial) for trial in trials]
        return {(job.row.tobytes(), job.fidelity): job.number for job in jobs}

    def claim(self) -> Job | None:
        """An evaluation that nobody makes yet: from now on this process does. None where there is none."""
        import optuna

        for trial in self._in(optuna.trial.TrialState.WAITING):
            with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError), self._answering():
                identity = self._identity(trial.number)
                if self._storage.set_trial_state_values(identity, optuna.trial.TrialState.RUNNING):
                    self._storage.set_trial_user_attr(identity, "worker", self.me)
                    return self._job(trial)
        return None

    def running(self) -> dict[int, tuple[str | None, int]]:
        """What is being evaluated: number -> (by whom, how often it was heard of).

        A machine that dies as it takes an evaluation may leave it without saying who it was.
        """
        import optuna

        found = {}
        for trial in self._in(optuna.trial.TrialState.RUNNING):
            found[trial.number] = (trial.user_attrs.get("worker"), int(trial.user_attrs.get("beat", 0)))
        return found

    def beat(self, job: Job, count: int) -> None:
        """Let others hear that this evaluation goes on."""
        import optuna

        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError), self._answering():
            self._storage.set_trial_user_attr(self._identity(job.number), "beat", count)

    def tell(self, job: Job, outcome: Outcome) -> bool:
        """Write what an evaluation came to; False where another machine was first, which then has found the same."""
        import optuna

        values = None
        if not isinstance(outcome, str) and all(one.cheap or one.name in outcome for one in self._objectives):
            values = [figure(one, job.row, outcome) for one in self._objectives]
        state = optuna.trial.TrialState.FAIL if values is None else optuna.trial.TrialState.COMPLETE
        try:
            with self._answering():
                identity = self._identity(job.number)
                self._storage.set_trial_user_attr(identity, "outcome", outcome if isinstance(outcome, str) else dict(outcome))
                return bool(self._storage.set_trial_state_values(identity, state, values))
        except optuna.exceptions.UpdateFinishedTrialError:
            return False

    def give_back(self, number: int, worker: str | None, lost: int = 1) -> None:
        """Let somebody else make an evaluation that its worker does not make; lost a few times, it counts as failed."""
        import optuna

        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError), self._answering():
            identity = self._identity(number)
            trial = self._storage.get_trial(identity)
            if trial.state != optuna.trial.TrialState.RUNNING or trial.user_attrs.get("worker") != worker:
                return
            lost += int(trial.user_attrs.get("lost", 0))
            self._storage.set_trial_user_attr(identity, "lost", lost)
            if lost < TRIES:
                self._storage.set_trial_state_values(identity, optuna.trial.TrialState.WAITING)
            else:
                self.tell(self._job(trial), f"the machine was lost while it evaluated this, {TRIES} times")

    def outcome(self, number: int) -> Outcome | None:
        """What an evaluation came to; None while it is not done."""
        with self._answering():
            trial = self._storage.get_trial(self._identity(number))
        if not trial.state.is_finished():
            return None
        try:
            found = trial.user_attrs["outcome"]
            return found if isinstance(found, str) else {str(name): float(value) for name, value in found.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _foreign(trial) from error

    @property
    def finished(self) -> bool:
        """Whether the search is over."""
        with self._answering():
            return bool(self._storage.get_study_user_attrs(self._study).get("finished", False))

    @finished.setter
    def finished(self, value: bool) -> None:
        with self._answering():
            self._storage.set_study_user_attr(self._study, "finished", value)

    def lead(self, count: int) -> None:
        """Let others hear that this process searches."""
        with self._answering():
            self._storage.set_study_user_attr(self._study, "leader", [self.me, count])

    @property
    def leader(self) -> Any:
        """What was last heard of the process that searches; None before there was one."""
        with self._answering():
            return self._storage.get_study_user_attrs(self._study).get("leader")

    def close(self) -> None:
        """Let go of the connection."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def _opened(self, name: str) -> int:
        """The study of that name."""
        import optuna

        directions = [optuna.study.StudyDirection[one.direction.upper()] for one in self._objectives]
        with contextlib.suppress(optuna.exceptions.DuplicatedStudyError):
            return self._storage.create_new_study(directions, name)
        return self._storage.get_study_id_from_name(name)

    def _in(self, state: optuna.trial.TrialState) -> list[optuna.trial.FrozenTrial]:
        with self._answering():
            return self._storage.get_all_trials(self._study, deepcopy=False, states=(state,))

    def _identity(self, number: int) -> int:
        if number not in self._identities:
            self._identities[number] = self._storage.get_trial_id_from_study_id_trial_number(self._study, number)
        return self._identities[number]

    def _job(self, trial: optuna.trial.FrozenTrial) -> Job:
        try:
            return Job(trial.number, row_in(trial.user_attrs, self._space), float(trial.user_attrs["fidelity"]))
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise _foreign(trial) from error

    def _answering(self) -> AbstractContextManager[None]:
        return answering(self._url)


def _foreign(trial: optuna.trial.FrozenTrial) -> NasError:
    """What is said of a trial that another program added, or ended."""
    return NasError(f"trial {trial.number} of the study in the database was not written by this program")
