"""Fitting an accuracy predictor to the evaluations of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nas.architectures.decisions import Rows
from nas.base.errors import NasError, unknown
from nas.base.progress import Reporter
from nas.data import load_data
from nas.jobs.run import Run
from nas.predicting import ProxyScorer, cross_validated, make_predictor, with_proxies
from nas.predicting.quality import Numbers
from nas.searching import StudyHistory, Trial
from nas.searching.problem import keys
from nas.supernet import Space


def fit_predictor(
    path: str | Path,
    predictor: str = "gp",
    out: str | Path | None = None,
    metric: str = "top1",
    encoding: str | None = None,
    proxies: Sequence[str] = (),
    folds: int = 5,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    space: Space | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Cross-validate a predictor on a run's evaluations, those of random search among them, and fit it to all of them.

    Args:
        path: a finished search.
        predictor: an installed one.
        out: the file for the fitted predictor; none is written by default.
        metric: what is predicted, of the figures that an evaluation gives.
        encoding: a variant of the space's encoding, such as 'paths'; the space's own by default.
        proxies: zero-cost proxies as further features; they read the run's training images.
        folds: of the cross-validation.
        settings: options of the predictor that are changed.
        space: for a run of a space that only exists as an object: the same again.

    Returns:
        {"run", "space", "predictor", "summary", "metric", "encoding", "proxies", "options", "evaluations", "folds",
        "quality": {"kendall_tau", "spearman", "rmse", "coverage", "count"}, "file", "next": [...]}.

    Raises:
        NasError: the run is not finished or only trained, has too few evaluations, or something asked for is unknown.
    """
    run = Run(path, space)
    _ = run.winner
    rows, values = _evaluations(run, metric)
    seen = run.space.encoding if encoding is None else run.space.encoding.variant(encoding)
    if proxies:
        data = run.manifest.data
        images = load_data(data["source"], resolution=data["resolution"], seed=run.manifest.config.seed)
        scorer = ProxyScorer(run.space, list(proxies), images, seed=seed)
        scorer(rows, reporter)
        seen = with_proxies(seen, scorer)

    found = make_predictor(predictor, seen, seed, settings)
    quality = cross_validated(lambda: make_predictor(predictor, seen, seed, settings), rows, values, folds, seed, reporter)
    if out is not None:
        found.fit(rows, values)
        found.save(out)
    shared = f"--space {run.space.name}" if run.space.separate else f"--supernet {path}"
    return {
        "run": str(path),
        "space": run.space.name,
        "predictor": predictor,
        "summary": found.summary,
        "metric": metric,
        "encoding": encoding,
        "proxies": list(proxies),
        "options": {name: getattr(found, name) for name in found.options()},
        "evaluations": len(rows),
        "folds": folds,
        "quality": quality.to_json(),
        "file": None if out is None else str(out),
        "next": [f"nas search {shared} --strategy predictor", "nas predictors"],
    }


def _evaluations(run: Run, metric: str) -> tuple[Rows, Numbers]:
    """Distinct rows that were fully evaluated, and their figures."""
    trials = [trial for trial in _trials(run) if trial.failure is None and trial.fidelity == 1.0]
    if not trials:
        raise NasError(f"run {run.path} has no complete evaluation; look into {run.folder.study}")
    legal = set.intersection(*(set(trial.metrics) for trial in trials))
    if metric not in legal:
        raise unknown("metric of the run's evaluations", metric, sorted(legal))
    rows = np.stack([trial.row for trial in trials])
    first = sorted({key: place for place, key in reversed(list(enumerate(keys(rows))))}.values())
    return np.asfortranarray(rows[first]), np.array([trials[place].metrics[metric] for place in first])


def _trials(run: Run) -> list[Trial]:
    """Every evaluation of every study in the run's file."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    if not run.folder.study.exists():
        raise NasError(f"run {run.path} has lost its evaluations: {run.folder.study} does not exist")
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(run.folder.study)))
    names = optuna.get_all_study_names(storage)
    return [trial for name in names for trial in StudyHistory(run.folder.study, name, run.space).trials]
