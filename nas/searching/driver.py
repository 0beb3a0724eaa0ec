"""Running a strategy until its evaluations are spent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from nas.base.errors import NasError
from nas.base.progress import Reporter, Silent
from nas.searching.history import History, Trial
from nas.searching.problem import keys
from nas.searching.strategy import Strategy

Evaluate = Callable[[np.ndarray], Mapping[str, float]]


def search(
    strategy: Strategy,
    history: History,
    evaluate: Evaluate,
    evaluations: int,
    reporter: Reporter | None = None,
    title: str = "searching",
    known: dict[bytes, Mapping[str, float]] | None = None,
) -> None:
    """Evaluate what the strategy proposes until the history holds `evaluations`, or the space is exhausted.

    An evaluation that raises a RuntimeError, ValueError or ArithmeticError, or that returns a figure that is not finite, is
    recorded with its reason and does not end the search.

    Args:
        known: metrics of architectures by key, read and added to, so that nothing is evaluated twice.

    Raises:
        NasError: every evaluation of the first batch failed.
    """
    reporter = reporter or Silent()
    known = {} if known is None else known
    reporter.start(title, evaluations, len(history))
    try:
        while len(history) < evaluations:
            rows = strategy.ask(history)
            if not len(rows):
                break
            for key, row in zip(keys(rows), rows[: evaluations - len(history)], strict=False):
                history.add(_trial(key, row, evaluate, known))
                best = float(history.scores().max())
                reporter.advance(len(history), f"best {best:.2f}" if np.isfinite(best) else "")
            if not np.isfinite(history.scores().max()):
                raise NasError("every evaluation so far has failed; the study in the run's folder holds the reasons")
    finally:
        reporter.finish()


def _trial(key: bytes, row: np.ndarray, evaluate: Evaluate, known: dict[bytes, Mapping[str, float]]) -> Trial:
    if key not in known:
        try:
            known[key] = evaluate(row)
        except (RuntimeError, ValueError, ArithmeticError) as error:
            return Trial(row, failure=f"{type(error).__name__}: {error}")
    for name, value in known[key].items():
        if not math.isfinite(value):
            return Trial(row, failure=f"{name} is {value}")
    return Trial(row, known[key])
