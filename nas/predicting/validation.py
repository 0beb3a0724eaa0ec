"""How well a predictor does on evaluations that it was not fitted to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.progress import Reporter, Silent
from nas.base.seeds import generator
from nas.predicting.predictor import Predictor
from nas.predicting.quality import Numbers, Quality, quality_of

LEAST = 10
"""Fewer evaluations say nothing about a predictor."""


def cross_validated(
    make: Callable[[], Predictor],
    rows: Rows,
    values: Numbers,
    folds: int = 5,
    seed: int = 0,
    reporter: Reporter | None = None,
    watch: Callable[[Predictor, npt.NDArray[np.bool_]], None] | None = None,
) -> Quality:
    """Fit to all but one part of the data, predict that part, and compare all these predictions with the values.

    Args:
        make: a predictor that has learned nothing.
        rows: (N, D) distinct canonical rows.
        values: (N,).
        folds: how many parts, drawn at random from the seed.
        watch: is told each fitted predictor and (N,) which architectures it has not seen.

    Raises:
        NasError: fewer than 10 evaluations, or no fewer than two and no more folds than evaluations.
    """
    if len(rows) < LEAST:
        raise NasError(f"{len(rows)} evaluated architectures cannot judge a predictor; evaluate at least {LEAST}")
    if not 2 <= folds <= len(rows):
        raise NasError(f"the data is cut into 2 to {len(rows)} parts, as many as there are evaluations at most; given {folds}")
    reporter = reporter or Silent()
    part = generator(seed, "cross-validation").permutation(len(rows)) % folds
    means, deviations = np.empty(len(rows)), np.empty(len(rows))
    reporter.start("cross-validation", folds)
    try:
        for fold in range(folds):
            held = part == fold
            predictor = make()
            predictor.fit(rows[~held], values[~held])
            means[held], deviations[held] = predictor.predict(rows[held])
            if watch is not None:
                watch(predictor, held)
            reporter.advance(fold + 1)
    finally:
        reporter.finish()
    return quality_of(means, deviations, values)
