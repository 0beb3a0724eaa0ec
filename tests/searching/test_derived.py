"""The strategy that proposes what the training arrived at."""

from __future__ import annotations

import numpy as np
import pytest

from nas.architectures import Bound, Decisions
from nas.base.errors import NasError
from nas.choices import Choice
from nas.searching import ArrayHistory, Problem, search
from nas.searching.strategies.derived import Derived

DECISIONS = Decisions((Choice("width", (8, 16, 24)), Choice("kernel", (3, 5))), {})
ROW = np.array([1, 0], dtype=np.uint8)


def bound(limit: float) -> Bound:
    return Bound("width", limit, lambda rows: 8.0 + 8.0 * rows[:, 0], lambda value: f"{value:g}")


def test_the_derived_architecture_is_evaluated_once() -> None:
    history = ArrayHistory(2)
    seen: list[list[int]] = []

    def evaluate(row: np.ndarray) -> dict[str, float]:
        seen.append(row.tolist())
        return {"top1": 50.0}

    search(Derived(Problem(DECISIONS, (bound(16),), derived=ROW), 0), history, evaluate, 100)
    assert seen == [[1, 0]]


def test_a_bound_that_it_breaks_is_named_with_the_figures() -> None:
    with pytest.raises(NasError, match=r"derived has width 16, above 8; search the same supernet with --strategy evolution"):
        Derived(Problem(DECISIONS, (bound(8),), derived=ROW), 0).ask(ArrayHistory(2))


def test_a_training_that_derived_nothing_is_told() -> None:
    with pytest.raises(NasError, match="needs a supernet whose trainer derives an architecture"):
        Derived(Problem(DECISIONS), 0).ask(ArrayHistory(2))
