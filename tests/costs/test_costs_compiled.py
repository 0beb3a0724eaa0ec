"""A compiled cost is the sum, or the maximum, of its terms, whatever way it is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.choices import Choice, evaluate, free_choices
from nas.costs import CompiledCost, Term, compile_cost, compiled, layers, macs_terms, memory_terms, parameter_terms
from nas.supernet import Space, Task

LIMITS = {
    "as it is": {},
    "every term on the rows": {"TABLE_LIMIT": 0},
    "some terms on the rows": {"TABLE_LIMIT": 12},
    "unmerged": {"MERGE_LIMIT": 0},
    "merged at large": {"MERGE_LIMIT": 10**6},
}


def one_by_one(decisions: Decisions, terms: list[Term], rows: Rows, maximum: bool) -> list[float]:
    """Each term of each row by itself."""
    costs = []
    for row in rows:
        codes = {name: np.array([code], dtype=np.int64) for name, code in zip(decisions.names, row, strict=True)}
        values = [np.asarray(term.evaluate(codes), dtype=float).reshape(-1)[0] for term in terms]
        costs.append(max(values) if maximum else sum(values))
    return costs


def terms_of(space: Space, metric: str) -> tuple[list[Term], bool]:
    walk = space.walk()
    makers = {"macs": macs_terms, "params": parameter_terms, "memory": memory_terms}
    return makers[metric](walk), metric == "memory"


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("metric", ["macs", "params", "memory"])
def test_a_compiled_cost_is_its_terms(
    small: Space, small_rows: Rows, metric: str, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(compiled, name, value)
    terms, maximum = terms_of(small, metric)
    cost = compile_cost(small.decisions, terms, "max" if maximum else "sum")
    expected = one_by_one(small.decisions, terms, small_rows, maximum)
    assert cost(small_rows).tolist() == expected
    many = np.asfortranarray(np.tile(small_rows, (40, 1)))
    assert len(many) > 2000
    assert cost(many).tolist() == expected * 40
    assert cost(np.ascontiguousarray(many)).tolist() == expected * 40
    assert cost(small_rows[:0]).shape == (0,)


@pytest.mark.parametrize("metric", ["macs", "params", "memory", "pixel1-latency"])
def test_few_rows_cost_what_many_do(mbconv: Space, mbconv_rows: Rows, metric: str) -> None:
    cost = mbconv.compiled(metric)
    together = cost(np.asfortranarray(np.tile(mbconv_rows, (60, 1))))[: len(mbconv_rows)]
    assert (cost(mbconv_rows) == together).all()
    assert [cost(mbconv_rows[i : i + 1])[0] for i in range(20)] == together[:20].tolist()


@pytest.mark.parametrize("metric", ["macs", "params", "memory"])
@pytest.mark.parametrize("limits", [{}, {"TABLE_LIMIT": 12}, {"EXACT_LIMIT": 1}, {"MERGE_LIMIT": 0}], ids=str)
def test_the_minimum_is_that_of_all_networks(
    small: Space, small_rows: Rows, metric: str, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(compiled, name, value)
    terms, maximum = terms_of(small, metric)
    cost = compile_cost(small.decisions, terms, "max" if maximum else "sum")
    assert cost.minimum() == cost(small_rows).min()


def test_the_minimum_need_not_be_the_first_option() -> None:
    first, second = Choice("first", (1, 2, 3)), Choice("second", (1, 2, 3))
    table = np.array([[5.0, 4.0, 9.0], [7.0, 8.0, 1.5], [3.0, 9.0, 9.0]])
    joint = Term((first, second), lambda codes: table[codes["first"], codes["second"]])
    single = Term((first,), lambda codes: np.array([0.0, 1.0, 5.0])[codes["first"]])
    decisions = Decisions([first, second])
    assert CompiledCost(decisions, [joint, single]).minimum() == 2.5
    assert CompiledCost(decisions, [joint, single], "max").minimum() == 1.5


def test_choices_with_one_option_and_with_all_256() -> None:
    alone, wide = Choice("alone", ("only",)), Choice("wide", tuple(range(256)))
    decisions = Decisions([alone, wide])

    def measure(codes: Mapping[str, Any]) -> Any:
        return codes["wide"] * 2.0 + codes["alone"]

    cost = compile_cost(decisions, [Term((alone, wide), measure)])
    rows = decisions.sample(np.random.default_rng(0), 3000)
    assert cost(rows).tolist() == (rows[:, 1] * 2.0).tolist()
    assert cost(rows[:9]).tolist() == (rows[:9, 1] * 2.0).tolist()


def test_a_cost_without_choices_is_constant() -> None:
    decisions = Decisions([Choice("a", (1, 2))])
    cost = compile_cost(decisions, [Term((), lambda codes: 3.0), Term((), lambda codes: 4.0)])
    assert cost(np.zeros((3, 1), dtype=np.uint8)).tolist() == [7.0] * 3
    assert cost(np.zeros((3000, 1), dtype=np.uint8)).tolist() == [7.0] * 3000
    assert cost.minimum() == 7.0


def test_a_term_on_the_rows_may_need_more_decisions_than_can_be_tabulated() -> None:
    choices = [Choice(f"c{index}", (1, 2, 3, 5)) for index in range(12)]
    product = choices[0] * 1
    for choice in choices[1:]:
        product = product * choice
    decisions = Decisions(choices)
    cost = compile_cost(decisions, [Term(free_choices(product), lambda codes: evaluate(product, codes))])
    rows = decisions.sample(np.random.default_rng(0), 50)
    assert cost(rows).tolist() == np.array([1, 2, 3, 5])[rows].prod(axis=1).tolist()
    assert cost.minimum() == 1.0


def test_the_breakdown_adds_up(small: Space, small_rows: Rows) -> None:
    for row in small_rows:
        codes = dict(zip(small.decisions.names, row.tolist(), strict=True))
        listed = layers(small.walk(), codes)
        assert sum(layer.macs for layer in listed) == small.cost("macs", row[None])[0]
        assert sum(layer.params for layer in listed) == small.cost("params", row[None])[0]


def test_costs_follow_the_task(small: Space) -> None:
    largest = small.largest
    assert small.cost("macs", largest, Task(3, 16, 5)) > 3 * small.cost("macs", largest, Task(3, 8, 5))
    assert small.cost("params", largest, Task(3, 16, 5)) == small.cost("params", largest)
    assert small.cost("params", largest, Task(3, 8, 6)) == small.cost("params", largest) + 8 + 1
