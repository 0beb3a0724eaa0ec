"""The history of real evaluations: an Optuna study in the run's folder."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nas.architectures import SearchSpace
from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.files import write_error
from nas.costs import RowCost
from nas.searching.history import ArrayHistory, Trial
from nas.searching.optuna_trials import row_in, written_out
from nas.searching.problem import TOP1, Objective, figure

if TYPE_CHECKING:
    import optuna


class StudyHistory:
    """A history whose every evaluation is a trial of an Optuna study, on disk before the next one begins.

    The study opens in any tool that reads Optuna's journal files. A trial is written in one piece: a killed search has it
    or does not.

    Args:
        path: the journal file; made when it does not exist. Only one process may write it: hold the run's lock.
        name: several studies share a file.
        objectives: one, or several; a trial's values stand in this order.
        costs: what architectures cost by name, written beside each trial for tools that know nothing of the space.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        space: SearchSpace,
        objectives: Objective | Sequence[Objective] = TOP1,
        costs: Mapping[str, RowCost] = MappingProxyType({}),
    ) -> None:
        import optuna

        from nas.searching.journal import open_journal

        self.path = path
        self._space = space
        self._costs = costs
        self._array = ArrayHistory(len(space.decisions), objectives)
        self._mend(path)
        try:
            self._study = optuna.create_study(
                storage=open_journal(path),
                study_name=name,
                directions=[objective.direction for objective in self._array.objectives],
                load_if_exists=True,
            )
            trials = self._study.get_trials(deepcopy=False)
        except OSError as error:
            raise write_error(path, error) from error
        except Exception as error:
            raise NasError(f"study {path} cannot be read: {type(error).__name__}: {error}") from error
        self._trials: list[Trial] = []
        for trial in trials:
            read = _read(trial, space, path)
            try:
                self._remember(read)
            except KeyError as error:
                raise NasError(f"study {path}: trial {trial.number} has no figure for objective {error}") from error

    def __len__(self) -> int:
        return len(self._array)

    @property
    def trials(self) -> list[Trial]:
        """Every evaluation in order."""
        return list(self._trials)

    def rows(self, start: int = 0) -> Rows:
        """See `History`."""
        return self._array.rows(start)

    def scores(self, start: int = 0) -> npt.NDArray[np.float64]:
        """See `History`."""
        return self._array.scores(start)

    def values(self, start: int = 0) -> npt.NDArray[np.float64]:
        """See `History`."""
        return self._array.values(start)

    def fidelities(self, start: int = 0) -> npt.NDArray[np.float64]:
        """See `History`."""
        return self._array.fidelities(start)

    def add(self, trial: Trial) -> None:
        """Write a trial, then remember it. Raises NasError when it cannot be written."""
        import optuna

        failed = trial.failure is not None
        attributes = {
            "row": trial.row.tolist(),
            "metrics": dict(trial.metrics),
            "costs": {} if failed else self._costs_of(trial),
            "failure": trial.failure,
            "fidelity": trial.fidelity,
        }
        frozen = optuna.trial.create_trial(
            state=optuna.trial.TrialState.FAIL if failed else optuna.trial.TrialState.COMPLETE,
            values=None if failed else [figure(one, trial.row, trial.metrics) for one in self._array.objectives],
            user_attrs=attributes,
            **written_out(trial.row, self._space),
        )
        try:
            self._study.add_trial(frozen)
        except OSError as error:
            raise write_error(self.path, error) from error
        self._remember(trial)

    def _costs_of(self, trial: Trial) -> dict[str, float]:
        """The costs of an architecture; without those that a device's table does not know."""
        row = np.asfortranarray(trial.row[None])
        found = {name: float(cost(row)[0]) for name, cost in self._costs.items()}
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def _remember(self, trial: Trial) -> None:
        self._array.add(trial)
        self._trials.append(trial)

    @staticmethod
    def _mend(path: Path) -> None:
        """Drop what a killed process left: the beginning of a line, and the journal's own lock."""
        if not path.exists():
            return
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}.lock").unlink()
        with path.open("rb+") as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                file.truncate(whole)
                os.fsync(file.fileno())


def read_trials(path: Path, space: SearchSpace) -> list[Trial]:
    """Every evaluation of every study in a file, whatever their objectives were. Raises NasError as `read_studies` does."""
    return [trial for trials in read_studies(path, space).values() for trial in trials]


def read_studies(path: Path, space: SearchSpace) -> dict[str, list[Trial]]:
    """Every evaluation of every study in a file, in order, by the name of the study.

    Raises:
        NasError: it does not exist, cannot be read, or was not written by this program.
    """
    from nas.searching.journal import open_journal

    if not path.exists():
        raise NasError(f"study {path} does not exist: the run has lost its evaluations")
    try:
        storage = open_journal(path)
        trials = {one.study_name: storage.get_all_trials(one._study_id, deepcopy=False) for one in storage.get_all_studies()}
    except Exception as error:
        raise NasError(f"study {path} cannot be read: {type(error).__name__}: {error}") from error
    return {name: [_read(trial, space, path) for trial in found] for name, found in trials.items()}


def _read(trial: optuna.trial.FrozenTrial, space: SearchSpace, path: Path) -> Trial:
    attributes = trial.user_attrs
    try:
        row = row_in(attributes, space)
        metrics = {str(name): float(value) for name, value in attributes["metrics"].items()}
        failure, fidelity = attributes["failure"], float(attributes.get("fidelity", 1.0))
        if not (failure is None or isinstance(failure, str)) or not 0.0 <= fidelity <= 1.0 or not _finite(metrics):
            raise ValueError("no such trial was ever told")
        return Trial(row, metrics, failure, fidelity)
    except (OverflowError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise NasError(f"study {path}: trial {trial.number} was not written by this program") from error


def _finite(metrics: Mapping[str, float]) -> bool:
    return all(math.isfinite(value) for value in metrics.values())
