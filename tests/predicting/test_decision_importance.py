"""Shares of variance that are known beforehand, decisions that do not always matter, and the ranking of units."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pytest

from nas.architectures import Decisions, Encoding, Group, Restricted
from nas.architectures.decisions import Rows
from nas.choices import Choice
from nas.predicting import Module, ModulePredictor, Predictor
from nas.predicting.fanova import LEAST, fanova
from nas.predicting.importance import average_predictions, permutation_importance
from nas.predicting.quality import Numbers
from nas.predicting.ranking import rank_units

DEPTH = Choice("depth", (1, 2))
CONDITIONAL = Decisions(
    [DEPTH, Choice("first", (3, 5, 7)), Choice("second", (3, 5, 7)), Choice("nothing", ("a", "b"))], {"second": DEPTH > 1}
)


class Exact(Predictor):
    """Knows the values."""

    summary, source = "knows", "nowhere"

    def __init__(self, decisions: Decisions, function: Callable[[Rows], Numbers]) -> None:
        super().__init__(Encoding(decisions))
        self.function, self.fitted = function, True
        self.asked: list[Rows] = []

    def learn(self, rows: Rows, values: Numbers) -> None: ...

    def estimate(self, rows: Rows) -> tuple[Numbers, Numbers]:
        self.asked.append(rows)
        return self.function(rows), np.ones(len(rows))

    def tensors(self) -> Mapping[str, npt.NDArray[np.float64]]:
        return {}

    def restore(self, tensors: Mapping[str, npt.NDArray[np.float64]]) -> None: ...


def free(*options: int) -> Decisions:
    return Decisions([Choice(name, tuple(range(count))) for name, count in zip("abcd", options, strict=False)])


def grid(decisions: Decisions) -> Rows:
    """Every architecture once."""
    rows = np.array(list(itertools.product(*(range(count) for count in decisions.cardinalities))), dtype=np.uint8)
    return np.asfortranarray(np.unique(decisions.canonical(np.asfortranarray(rows)), axis=0))


def additive(rows: Rows) -> Numbers:
    return 3.0 * rows[:, 0] + 1.0 * rows[:, 1]


def test_shares_of_a_sum_are_those_of_its_terms() -> None:
    decisions = free(4, 4, 4)
    rows = grid(decisions)
    values = additive(rows)
    shares = fanova(decisions, rows, values)
    assert list(shares) == ["a", "b", "c"]
    for name, expected in (("a", 0.9), ("b", 0.1), ("c", 0.0)):
        found = shares[name]
        assert found.overall == found.there == pytest.approx(expected, abs=0.03)
        assert found.evaluations == len(rows)
    grown = permutation_importance(Exact(decisions, additive), decisions, rows, values, np.random.default_rng(0))
    np.testing.assert_allclose(grown, [0.9, 0.1, 0.0], atol=0.08)
    assert grown[2] == 0


def test_an_interaction_counts_for_both_in_the_predictor_s_reliance_and_for_neither_in_fanova_s_main_effects() -> None:
    decisions = free(2, 2, 8)
    rows = grid(decisions)
    values = ((rows[:, 0] ^ rows[:, 1]) * 1.0).astype(float)
    shares = fanova(decisions, rows, values)
    assert max(found.overall or 0.0 for found in shares.values()) < 0.2

    def exclusive(rows: Rows) -> Numbers:
        return (rows[:, 0] ^ rows[:, 1]) * 1.0

    grown = permutation_importance(Exact(decisions, exclusive), decisions, rows, values, np.random.default_rng(1))
    assert grown[:2] == pytest.approx([1.0, 1.0], abs=0.3)
    assert grown[2] == 0


def test_a_decision_of_many_options_takes_no_longer_than_it_has_options() -> None:
    decisions = free(40, 3)
    rows = grid(decisions)
    shares = fanova(decisions, rows, rows[:, 0] * 1.0)
    assert shares["a"].there == pytest.approx(1.0, abs=0.01)


def test_a_decision_that_does_not_always_matter_is_looked_at_where_it_does() -> None:
    rows = np.repeat(grid(CONDITIONAL), 4, axis=0)
    rng = np.random.default_rng(2)
    deep = rows[:, 0] == 1
    values = 10.0 * deep + np.where(deep, 2.0 * rows[:, 2], 0.0) + rng.normal(scale=0.01, size=len(rows))
    shares = fanova(CONDITIONAL, np.asfortranarray(rows), values)
    second = shares["second"]
    assert second.evaluations == deep.sum()
    assert second.there == pytest.approx(1.0, abs=0.05)
    assert second.there is not None
    weight = deep.sum() * values[deep].var() / (len(rows) * values.var())
    assert second.overall == pytest.approx(second.there * weight)
    assert shares["depth"].overall == pytest.approx(1 - weight, abs=0.1)
    assert shares["nothing"].overall == pytest.approx(0.0, abs=0.02)


def test_too_few_evaluations_of_a_decision_say_nothing_of_it() -> None:
    rows = grid(CONDITIONAL)
    shallow, deep = rows[rows[:, 0] == 0], rows[rows[:, 0] == 1][: LEAST - 5]
    rows = np.asfortranarray(np.concatenate([np.repeat(shallow, 5, axis=0), deep]))
    share = fanova(CONDITIONAL, rows, rows[:, 1] * 1.0)["second"]
    assert (share.evaluations, share.there, share.overall) == (len(deep), None, None)


def test_shuffling_makes_no_architecture_that_is_not_canonical_and_gives_new_layers_options() -> None:
    rows = np.asfortranarray(np.repeat(grid(CONDITIONAL), 3, axis=0))

    def worth(rows: Rows) -> Numbers:
        return 1.0 * rows[:, 2]

    predictor = Exact(CONDITIONAL, worth)
    grown = permutation_importance(predictor, CONDITIONAL, rows, worth(rows), np.random.default_rng(3))
    for asked in predictor.asked:
        np.testing.assert_array_equal(CONDITIONAL.canonical(asked), asked)
    # Depth alone decides nothing, but a network that becomes deep gets a second layer of some size.
    assert grown[0] > 0.1
    assert grown[2] > 0.1
    assert grown[1] == grown[3] == 0


def test_average_predictions_set_options_and_leave_the_rest() -> None:
    decisions = free(3, 4)
    rows = grid(decisions)[:5]
    found = average_predictions(Exact(decisions, additive), decisions, rows, (0,), np.array([[0], [2]], dtype=np.uint8))
    np.testing.assert_allclose(found, np.array([0.0, 6.0]) + rows[:, 1].mean())


class Modular(Exact, ModulePredictor):
    """Scores the modules of one unit of two layers, and of one of a single layer."""

    def unit_columns(self) -> Mapping[str, tuple[int, ...]]:
        return {"deep": (0, 1), "single": (2,)}

    def option_scores(self) -> dict[str, dict[str, float]]:
        return {}

    def module_scores(self, unit: str | None = None, most: int = 20_000, among: Rows | None = None) -> list[Module]:
        if unit == "single":
            return [Module("single", 1, {"c": code}, 5.0) for code in range(3)]
        codes = sorted(itertools.product(range(3), range(3)), key=lambda pair: -(pair[0] * 10 + pair[1]))
        return [Module("deep", 2, {"a": a, "b": b}, a * 10.0 + b) for a, b in codes]


def test_units_are_ranked_by_module_scores_and_single_layers_by_their_place_in_whole_architectures() -> None:
    decisions = free(3, 3, 3)
    rows = grid(decisions)
    deep, single = rank_units(Modular(decisions, lambda rows: -1.0 * rows[:, 2]), decisions, rows)
    assert (deep.by, single.by) == ("modules", "average prediction")
    assert deep.codes[0].tolist() == [2, 2]
    assert [module.score for module in deep.modules] == sorted((m.score for m in deep.modules), reverse=True)
    assert [dict(module.decisions) for module in single.modules] == [{"c": 0}, {"c": 1}, {"c": 2}]
    assert [module.score for module in single.modules] == [0.0, -1.0, -2.0]


def test_every_decision_is_a_unit_for_a_predictor_without_modules() -> None:
    decisions = free(3, 4, 2)
    ranked = rank_units(Exact(decisions, additive), decisions, grid(decisions))
    assert [unit.name for unit in ranked] == ["a", "b", "c"]
    assert ranked[1].codes[:, 0].tolist() == [3, 2, 1, 0]
    assert ranked[0].spread > ranked[1].spread > ranked[2].spread == 0


def test_modules_outside_a_reduced_space_are_not_ranked() -> None:
    decisions = free(3, 3, 3)
    part = Restricted(decisions, [Group("deep", (0, 1), np.array([[0, 1], [1, 2]])), Group("c", (2,), np.array([[1], [2]]))])
    deep, single = rank_units(
        Modular(decisions, lambda rows: 1.0 * rows[:, 2]), part, part.sample(np.random.default_rng(0), 30)
    )
    assert deep.codes.tolist() == [[1, 2], [0, 1]]
    assert single.codes.tolist() == [[2], [1]]
