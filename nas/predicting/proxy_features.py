"""Zero-cost proxies as features of a predictor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Rows
from nas.predicting.encoding import Encoding


def with_proxies(encoding: Encoding, score: Callable[[Rows], npt.NDArray[np.float64]]) -> Encoding:
    """The encoding with two columns more for each proxy.

    One holds `sign(s) log(1 + |s|)` of the score s, since many proxies span several orders of magnitude; the other is 1 where
    there is no finite score, which alone says much about a network, and the first one 0 then.

    Args:
        score: rows (N, D) -> scores (N, P), such as a `nas.predicting.ProxyScorer`.
    """

    def columns(rows: Rows) -> npt.NDArray[np.float64]:
        scores = np.asarray(score(rows), dtype=np.float64)
        finite = np.isfinite(scores)
        known = np.where(finite, scores, 0.0)
        return np.concatenate([np.sign(known) * np.log1p(np.abs(known)), ~finite], axis=1)

    return encoding.with_columns(columns)
