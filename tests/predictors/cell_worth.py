"""A figure of cells that predictors can learn from a few."""

from __future__ import annotations

import numpy as np

from nas.architectures.decisions import Rows


def worth(rows: Rows) -> np.ndarray:
    """(N,) about as an accuracy: convolutions help, and a cell without live edges is lost."""
    return np.where((rows != 0).any(axis=1), 70 + 3 * (rows == 4).sum(axis=1) + (rows == 3).sum(axis=1), 10.0)
