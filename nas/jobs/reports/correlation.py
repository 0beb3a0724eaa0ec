"""How well the predictor that a search followed ranks networks which it has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nas.base.errors import NasError
from nas.base.files import read_json
from nas.base.seeds import generator
from nas.jobs.reports.points import Points
from nas.predicting import Predictor, cross_validated, make_predictor
from nas.predicting.predictor import open_predictor
from nas.predicting.validation import LEAST
from nas.runs import Manifest, RunFolder
from nas.searching import open_strategy
from nas.searching.options import options_of
from nas.searching.strategies.guided import Guided, read_settings
from nas.supernet import Space

MOST = 150
"""Evaluations that judge a predictor; more take a Gaussian process minutes and change little."""

FOLDS = 5


def correlation_of(folder: RunFolder, manifest: Manifest, space: Space, points: Points) -> dict[str, Any] | None:
    """What a page says of the predictor of a run; None where the run has none, or too few evaluations.

    Returns:
        {"predictor", "quality", "label", "unit", "pairs": [[predicted, found, position], ...], "note"}.
    """
    name = points.figures["search"]["strategy"]
    strategy = open_strategy(name)
    axis = points.searched
    if not issubclass(strategy, Guided) or axis.cost:
        return _explained(folder)
    given = {option: field.default for option, field in options_of(strategy).items()} | dict(manifest.config.strategy_options)
    predictor = str(given["predictor"])
    settings = read_settings(str(given.get("settings") or "")) or open_predictor(predictor).quick
    places = _judged(points, manifest.config.seed)
    if len(places) < LEAST:
        return None
    rows, values = np.asfortranarray(points.rows[places]), points.values[axis.name][places]
    predicted = np.empty(len(places))

    def watch(fitted: Predictor, held: npt.NDArray[np.bool_]) -> None:
        predicted[held] = fitted.predict(rows[held])[0]

    seed = manifest.config.seed
    try:
        quality = cross_validated(
            lambda: make_predictor(predictor, space.encoding, seed, settings), rows, values, FOLDS, seed, watch=watch
        )
    except NasError:
        # Some predictors need more evaluations than this run has.
        return None
    note = "It also saw zero-cost proxies in the search, and does not here." if given.get("features") else ""
    pairs = [[float(a), float(b), int(place)] for a, b, place in zip(predicted, values, places, strict=True)]
    return {
        "predictor": predictor,
        "quality": quality.to_json(),
        "label": axis.label,
        "unit": axis.unit,
        "pairs": pairs,
        "note": note,
    }


def _judged(points: Points, seed: int) -> npt.NDArray[np.int64]:
    """Positions of distinct evaluated architectures, drawn at random where there are many."""
    values = points.values[points.searched.name]
    places = np.array([place for place in sorted(points.first_places.values()) if np.isfinite(values[place])], dtype=np.int64)
    if len(places) <= MOST:
        return places
    return np.sort(generator(seed, "report").choice(places, MOST, replace=False))


def _explained(folder: RunFolder) -> dict[str, Any] | None:
    """What an explanation of the run found, where somebody has asked for one."""
    if not folder.explanation.exists():
        return None
    found = read_json(folder.explanation, "explanation")
    try:
        quality = {name: float(found["quality"][name]) for name in ("kendall_tau", "spearman", "rmse", "coverage", "count")}
        return {
            "predictor": str(found["predictor"]),
            "quality": quality,
            "label": str(found["metric"]),
            "unit": "",
            "pairs": [],
            "note": "It is the one that explained the search, not one that led it.",
        }
    except (KeyError, TypeError, ValueError):
        return None
