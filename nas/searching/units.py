"""Searching a part of a space by whole groups of decisions, with any strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.architectures import Bound, Encoding, Restricted
from nas.architectures.decisions import Rows
from nas.architectures.encoding import Graphs
from nas.searching.history import ArrayHistory, History
from nas.searching.problem import Objective, Problem
from nas.searching.strategy import Strategy

OPERATOR = "operator"
"""What a group of decisions counts as among dimensions: its joint options are different things."""


class ByUnits(Strategy):
    """A strategy that takes every group of a restricted space for a single decision.

    The strategy is asked about a history in which each group is one decision, and what it proposes is written out for the
    history of the search. A mutation, a crossover or a neighbour thus exchanges whole joint options, and nothing outside the
    restricted space is ever proposed.

    Args:
        problem: its decisions are `Restricted`.
        make: makes the strategy for the problem of the groups.
    """

    summary = "a strategy on groups of decisions"
    source = "Mills et al., Building Optimal Neural Architectures using Interpretable Knowledge, 2024"

    def __init__(self, problem: Problem, seed: int, make: Callable[[Problem], Strategy]) -> None:
        super().__init__(problem, seed)
        self.strategy = make(by_units(problem))
        self._history: History | None = None
        self._known = self._empty()

    def ask(self, history: History) -> Rows:
        """See `Strategy`."""
        return _restricted(self.problem).expand(np.asfortranarray(self.strategy.ask(self._followed(history))))

    def fidelity(self, history: History) -> float:
        """See `Strategy`."""
        return self.strategy.fidelity(self._followed(history))

    def remark(self) -> str | None:
        """See `Strategy`."""
        return self.strategy.remark()

    def _empty(self) -> ArrayHistory:
        return ArrayHistory(len(_restricted(self.problem).units), self.problem.objectives)

    def _followed(self, history: History) -> ArrayHistory:
        """The same history by groups; always the same object for the same history, by which strategies know it."""
        done = len(self._known)
        if history is not self._history or len(history) < done:
            self._history, self._known, done = history, self._empty(), 0
        if len(history) > done:
            units = _restricted(self.problem).contract(np.asfortranarray(history.rows(done)))
            values, fidelities = history.values(done), history.fidelities(done)
            for place in range(len(units)):
                self._known.extend(units[[place]], values[[place]], float(fidelities[place]))
        return self._known


def by_units(problem: Problem) -> Problem:
    """The problem with one decision for each group: the same architectures, objectives, bounds and encoding."""
    restricted = _restricted(problem)
    derived, proxies = problem.derived, problem.proxies
    if derived is not None:
        rows = np.asfortranarray(derived[None])
        derived = restricted.contract(rows)[0] if restricted.contains(rows)[0] else None
    return Problem(
        restricted.units,
        [_bound(restricted, bound) for bound in problem.bounds],
        tuple(_objective(restricted, objective) for objective in problem.objectives),
        derived,
        _encoding(restricted, problem.encoding or Encoding(restricted.whole)),
        _dimensions(restricted, problem.dimensions),
        proxies=None if proxies is None else lambda names: _expanded(restricted, proxies(names)),
    )


def _restricted(problem: Problem) -> Restricted:
    assert isinstance(problem.decisions, Restricted)
    return problem.decisions


def _bound(restricted: Restricted, bound: Bound) -> Bound:
    return replace(bound, measure=_expanded(restricted, bound.measure))


def _objective(restricted: Restricted, objective: Objective) -> Objective:
    if objective.measure is None:
        return objective
    return replace(objective, measure=_expanded(restricted, objective.measure))


def _expanded(restricted: Restricted, function: Callable[[Rows], Any]) -> Callable[[Rows], Any]:
    """The same function of rows by groups."""
    return lambda units: function(restricted.expand(np.asfortranarray(units)))


def _encoding(restricted: Restricted, encoding: Encoding) -> Encoding:
    """How predictors see the whole space, for rows by groups."""

    def columns(variant: Encoding) -> Callable[[Rows], npt.NDArray[np.float64]]:
        return _expanded(restricted, variant.features)

    def graphs(units: Rows) -> Graphs:
        return encoding.graphs(restricted.expand(np.asfortranarray(units)))

    variants = {name: columns(encoding.variant(name)) for name in encoding.variants}
    return Encoding(restricted.units, columns(encoding), graphs, variants, encoding.groups)


def _dimensions(restricted: Restricted, dimensions: Mapping[str, str] | None) -> dict[str, str] | None:
    if dimensions is None:
        return None
    return {name: dimensions.get(name, OPERATOR) for name in restricted.units.names}
