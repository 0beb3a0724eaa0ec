"""Fitting an accuracy predictor to the evaluations of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.base.progress import Reporter
from nas.data import load_data
from nas.jobs.run import Run
from nas.predicting import ProxyScorer, cross_validated, make_predictor, with_proxies
from nas.runs.evaluations import complete_trials, distinct
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
    rows, values = distinct(complete_trials(run.folder, run.space), metric)
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
