"""The time of a model and the state of the machine are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from nas.measuring.common_state import fitted_states, medians


def drawn(seed: int, models: int = 24, rounds: int = 6, size: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Models and groups of some rounds: the reference, which is model 0, in every group, and the others in a new order."""
    rng = np.random.default_rng(seed)
    chosen, groups, group = [], [], 0
    for _ in range(rounds):
        for part in np.split(1 + rng.permutation(models), models // size):
            chosen += [0, *part.tolist()]
            groups += [group] * (size + 1)
            group += 1
    return np.array(chosen), np.array(groups)


@pytest.mark.parametrize("seed", range(5))
def test_models_and_states_that_made_the_timings_are_found(seed: int) -> None:
    models, groups = drawn(seed)
    rng = np.random.default_rng(seed + 100)
    own, states = rng.uniform(1, 20, models.max() + 1), rng.choice([1.0, 1.0, 1.05, 1.5], groups.max() + 1)
    found = fitted_states(models, groups, own[models] * states[groups])
    usual = np.quantile(states, 0.25, method="inverted_cdf")
    np.testing.assert_allclose(found.states, (states / usual)[groups], rtol=1e-3)
    np.testing.assert_allclose(found.usual, own[models] * usual, rtol=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_odd_timings_move_nothing_else(seed: int) -> None:
    models, groups = drawn(seed)
    rng = np.random.default_rng(seed + 100)
    own, states = rng.uniform(1, 20, models.max() + 1), rng.uniform(1, 1.5, groups.max() + 1)
    timings = own[models] * states[groups]
    before = fitted_states(models, groups, timings)
    odd = rng.choice(len(timings), 5, replace=False)
    timings[odd] *= 10
    after = fitted_states(models, groups, timings)
    others = np.setdiff1d(np.arange(len(timings)), odd)
    np.testing.assert_allclose(after.usual[others], before.usual[others], rtol=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_noise_of_the_machine_that_all_models_share_is_taken_out(seed: int) -> None:
    models, groups = drawn(seed)
    rng = np.random.default_rng(seed + 100)
    own, states = rng.uniform(1, 20, models.max() + 1), np.exp(rng.normal(0, 0.2, groups.max() + 1))
    timings = own[models] * states[groups] * np.exp(rng.normal(0, 0.01, len(models)))

    def error(values: np.ndarray) -> float:
        logs = np.log([np.median(values[models == model]) / own[model] for model in range(models.max() + 1)])
        return float(np.std(logs))

    assert error(fitted_states(models, groups, timings).usual) < 0.02 < 0.04 < error(timings)


def test_a_single_round_tells_nothing_apart() -> None:
    models, groups = drawn(0, rounds=1)
    timings = np.random.default_rng(0).uniform(1, 2, len(models))
    found = fitted_states(models, groups, timings)
    np.testing.assert_array_equal(found.states, 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_medians_are_those_of_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    numbers, values = rng.integers(0, 9, 40) * 2, rng.normal(size=40)
    expected = [np.median(values[numbers == number]) if (numbers == number).any() else 0 for number in range(numbers.max() + 1)]
    np.testing.assert_allclose(medians(numbers, values), expected)
