"""What whole networks say of the figures of operators."""

from __future__ import annotations

import numpy as np
import pytest

from nas.measuring.correction import fitted_factors, table_error


def drawn(networks: int, operators: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 5, (networks, operators)) + 1, rng.uniform(0.1, 2.0, operators)


def test_one_factor_is_found_from_two_networks() -> None:
    counts, alone = drawn(2)
    np.testing.assert_allclose(fitted_factors(counts, alone, 0.7 * counts @ alone), 0.7, rtol=1e-6)


def test_factors_of_their_own_are_found_where_networks_are_many() -> None:
    counts, alone = drawn(200)
    true = np.random.default_rng(1).uniform(0.5, 1.5, len(alone))
    whole = counts @ (alone * true) * np.random.default_rng(2).normal(1, 0.005, 200)
    found = fitted_factors(counts[:100], alone, whole[:100])
    np.testing.assert_allclose(found, true, atol=0.06)
    common = np.median(whole[:100] / (counts[:100] @ alone))
    with_one = table_error(counts[100:] @ alone * common, whole[100:]).mape
    assert table_error(counts[100:] @ (alone * found), whole[100:]).mape < 0.6 < 2 < with_one


def test_noise_is_not_fitted() -> None:
    """Where operators are off by one factor and networks by noise, that one factor is nearly all that is found."""
    counts, alone = drawn(8)
    whole = 1.3 * counts @ alone * np.random.default_rng(3).normal(1, 0.02, 8)
    assert np.abs(fitted_factors(counts, alone, whole) / 1.3 - 1).max() < 0.1


def test_errors() -> None:
    measured = np.array([10.0, 20.0, 40.0, 80.0])
    found = table_error(np.array([10.4, 21.6, 36.0, 100.0]), measured)
    assert found.networks == 4
    assert found.mape == pytest.approx((4 + 8 + 10 + 25) / 4)
    assert found.bias == pytest.approx((4 + 8 - 10 + 25) / 4)
    assert (found.within_5, found.within_10) == (25.0, 75.0)
    assert found.rmse == pytest.approx(np.sqrt((0.4**2 + 1.6**2 + 4**2 + 20**2) / 4))
    assert found.spearman == 1.0 and found.kendall_tau == 1.0
    assert table_error(measured[:2], measured[:2]).spearman is None
