"""Fitting an accuracy predictor to the evaluations of a run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.base.progress import Reporter
from nas.data.tasks import METRICS, kind_in
from nas.jobs.run import Run
from nas.predicting import FittedTo, cross_validated, make_predictor, save_fitted
from nas.predicting.predictor import require_features
from nas.runs.evaluations import complete_trials, distinct
from nas.supernet import Space


def fit_predictor(
    path: str | Path,
    predictor: str = "gp",
    out: str | Path | None = None,
    metric: str | None = None,
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
        metric: what is predicted, of the figures that an evaluation gives; by default what the run's data are scored by, such
            as 'top1'.
        encoding: a variant of the space's encoding, such as 'paths'; the space's own by default.
        proxies: zero-cost proxies as further features; they read as many training images of the run as its proxies did.
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
    metric = metric or kind_in(run.manifest.data).metrics[0].name
    rows, values = distinct(complete_trials(run.folder, run.space), metric)
    if proxies:
        require_features(predictor, "--proxy")
    fitted_to = _fitted_to(run, metric, encoding, proxies)
    seen = fitted_to.seen(run.space, rows, reporter)
    found = make_predictor(predictor, seen, seed, settings)
    quality = cross_validated(lambda: make_predictor(predictor, seen, seed, settings), rows, values, folds, seed, reporter)
    if out is not None:
        found.fit(rows, values)
        save_fitted(found, out, fitted_to)
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
        "next": [*_next(run, metric, out), "nas predictors"],
    }


def _fitted_to(run: Run, metric: str, encoding: str | None, proxies: Sequence[str]) -> FittedTo:
    config, data = run.manifest.config, run.manifest.data
    return FittedTo(
        space=run.space.name,
        metric=metric,
        encoding=encoding,
        proxies=tuple(proxies),
        data=data.get("source", config.data),
        resolution=data.get("resolution", config.resolution),
        images=config.proxy_images,
        seed=config.seed,
    )


def _next(run: Run, metric: str, out: str | Path | None) -> list[str]:
    """Searches that use a predictor: the fitted one in the place of evaluations, or one that the search fits itself."""
    config = run.manifest.config
    space = f"--space {shlex.quote(run.space.name)}"
    found = []
    if out is not None:
        sign = ":min" if metric in METRICS and METRICS[metric].direction == "minimize" else ""
        objective = "" if metric == "top1" else f" --objective {metric}{sign}"
        found.append(f"nas search {space} --evaluate {shlex.quote(str(out))}{objective} --evaluations 1000")
    objectives = "".join(f" --objective {shlex.quote(one)}" for one in config.objectives)
    if config.evaluate is not None:
        source = f"{space} --evaluate {shlex.quote(config.evaluate)}{objectives}"
    elif not run.manifest.trains:
        source = f"{space}{objectives}"
    else:
        source = space if run.space.separate else f"--supernet {shlex.quote(str(run.path))} {space}"
    return [*found, f"nas search {source} --strategy predictor"]
