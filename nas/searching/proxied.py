"""Zero-cost proxies as what an evaluation finds: alone, with no training at all, or beside accuracies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from nas.base.errors import NasError
from nas.predicting import ProxyScorer


class ProxyEvaluator:
    """Scores the untrained network of a row.

    Where a proxy has no figure for a network, the evaluation fails before anything is spent on the network.

    Args:
        names: of the scorer's proxies.
        beside: another evaluation, the figures of which stand beside the scores; None for proxies alone.
    """

    def __init__(
        self, scorer: ProxyScorer, names: Sequence[str], beside: Callable[..., Mapping[str, float]] | None = None
    ) -> None:
        self.scorer, self.metrics, self.beside = scorer, tuple(names), beside

    def __call__(self, row: np.ndarray, fidelity: float = 1.0) -> dict[str, float]:
        """The scores by the names of the proxies, and what the other evaluation finds.

        Raises:
            ValueError: a proxy means nothing for this network.
            ArithmeticError: the network passes no signal on.
            NasError: less than a full evaluation was asked for, and there are proxies alone.
        """
        if self.beside is None and fidelity != 1.0:
            raise NasError("a zero-cost proxy knows full evaluations only; choose another strategy")
        scores = dict(zip(self.metrics, self.scorer.scores(row[None], self.metrics)[0].tolist(), strict=True))
        for name, score in scores.items():
            if np.isnan(score):
                raise ValueError(f"proxy '{name}' is not defined for it: {self.scorer.reason(row, name)}")
            if score == -np.inf:
                raise ArithmeticError(f"proxy '{name}' is -inf: the untrained network passes no signal on")
        if self.beside is None:
            return scores
        found = self.beside(row) if fidelity == 1.0 else self.beside(row, fidelity=fidelity)
        return {**found, **scores}
