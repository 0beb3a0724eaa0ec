"""The figures by which predictors are judged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.architectures import Decisions, Encoding
from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.choices import Choice
from nas.predicting import Predictor, conformal_factor, cross_validated, quality_of
from nas.predicting.quality import HALF_WIDTH


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=25))
def test_kendall_tau_counts_pairs(pairs: list[tuple[int, int]]) -> None:
    mean, values = np.array(pairs, dtype=float).T
    found = quality_of(mean, np.ones(len(mean)), values)
    if np.ptp(mean) == 0 or np.ptp(values) == 0:
        assert found.kendall_tau == found.spearman == 0
        return
    upper = np.triu_indices(len(mean), 1)
    first, second = (np.sign(side[:, None] - side)[upper] for side in (mean, values))
    expected = (first * second).sum() / np.sqrt((first != 0).sum() * (second != 0).sum())
    assert found.kendall_tau == pytest.approx(expected)


def test_rmse_and_coverage() -> None:
    found = quality_of(np.zeros(4), np.ones(4), np.array([0.0, 1.6, -1.7, 3.0]))
    assert found.rmse == pytest.approx(np.sqrt((1.6**2 + 1.7**2 + 9) / 4))
    assert found.coverage == 0.5
    assert found.count == 4


@pytest.mark.parametrize("count", [9, 39, 199])
def test_conformal_intervals_hold_nine_in_ten_unseen_values(count: int) -> None:
    """On average over data sets at least 0.9, and no more than 1 / (N + 1) above it, whatever the distribution."""
    rng = np.random.default_rng(count)
    shares = []
    for _ in range(400):
        deviation = rng.uniform(0.5, 2.0, count + 100)
        errors = deviation * rng.standard_t(2, count + 100)
        factor = conformal_factor(np.zeros(count), deviation[:count], errors[:count])
        shares.append(np.mean(np.abs(errors[count:]) <= HALF_WIDTH * factor * deviation[count:]))
    assert 0.9 - 0.015 < np.mean(shares) < 0.9 + 1 / (count + 1) + 0.015


class Remembering(Predictor):
    """Knows what it was fitted to, and says 0 of everything else."""

    summary = source = ""
    seen: list[int]

    def learn(self, rows: Rows, values: np.ndarray) -> None:
        self.known = {row.tobytes(): value for row, value in zip(np.ascontiguousarray(rows), values, strict=True)}
        self.seen.append(len(rows))

    def estimate(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        mean = [self.known.get(row.tobytes(), 0.0) for row in np.ascontiguousarray(rows)]
        return np.array(mean), np.ones(len(rows))

    def tensors(self) -> dict[str, np.ndarray]:
        return {}

    def restore(self, tensors: object) -> None:
        """Nothing to restore."""


def test_cross_validation_never_predicts_what_it_has_seen() -> None:
    decisions = Decisions([Choice("number", tuple(range(40)))])
    Remembering.seen = []
    rows = decisions.check(np.arange(40)[:, None])
    found = cross_validated(lambda: Remembering(Encoding(decisions)), rows, 1.0 + np.arange(40), folds=4)
    assert Remembering.seen == [30] * 4
    assert found.rmse == pytest.approx(np.sqrt(np.mean((1.0 + np.arange(40)) ** 2)))
    assert found.count == 40
    with pytest.raises(NasError, match="9 evaluated architectures cannot judge a predictor; evaluate at least 10"):
        cross_validated(lambda: Remembering(Encoding(decisions)), rows[:9], np.arange(9.0))
    with pytest.raises(NasError, match="given 1"):
        cross_validated(lambda: Remembering(Encoding(decisions)), rows, np.arange(40.0), folds=1)
