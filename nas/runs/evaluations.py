"""Everything that a run evaluated, as rows and figures."""

from __future__ import annotations

import hashlib

import numpy as np

from nas.architectures.decisions import Rows
from nas.base.errors import NasError, unknown
from nas.predicting.quality import Numbers
from nas.runs.folder import RunFolder
from nas.searching import Trial
from nas.searching.problem import first_places
from nas.searching.study import read_trials
from nas.supernet import Space


def complete_trials(folder: RunFolder, space: Space) -> list[Trial]:
    """Every successful full evaluation of every study in a run's file, those of random search among them.

    Raises:
        NasError: there is none.
    """
    if not folder.study.exists():
        raise NasError(f"run {folder.path} has no evaluations: {folder.study} does not exist; search it with: nas resume")
    trials = read_trials(folder.study, space)
    found = [trial for trial in trials if trial.failure is None and trial.fidelity == 1.0]
    if not found:
        raise NasError(f"run {folder.path} has no complete evaluation; look into {folder.study}")
    return found


def distinct(trials: list[Trial], metric: str) -> tuple[Rows, Numbers]:
    """Distinct rows (N, D), and their figures (N,). Raises NasError for a figure that evaluations do not have."""
    legal = set.intersection(*(set(trial.metrics) for trial in trials))
    if metric not in legal:
        raise unknown("metric of the run's evaluations", metric, sorted(legal))
    rows = np.stack([trial.row for trial in trials])
    first = list(first_places(rows).values())
    return np.asfortranarray(rows[first]), np.array([trials[place].metrics[metric] for place in first])


def digest_of(rows: Rows, values: Numbers) -> str:
    """Changes with any evaluation."""
    found = hashlib.sha256(np.ascontiguousarray(rows).tobytes())
    found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()
