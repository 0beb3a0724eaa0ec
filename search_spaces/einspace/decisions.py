"""Trees as integer rows: what strategies need of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.choices import Choice
from nas.supernet import Task
from search_spaces.einspace.grammar import CODE, OPTIONS, count_trees
from search_spaces.einspace.known import chain, linear
from search_spaces.einspace.places import Guards, Place, States, settle, terminals
from search_spaces.einspace.program import Program
from search_spaces.einspace.sampling import Growth
from search_spaces.einspace.shapes import State
from search_spaces.einspace.tree import Node, decision_name, from_text, length_of, parse_codes

SMALLEST = "sequential(computation(identity), computation(identity))"

TRIES = 30
"""Proposals for one mutation, crossover or sample, before the parent (or the smallest tree) is returned."""

MOVES = 20
"""Random mutations that one sweep of a descent tries."""

Codes = tuple[int, ...]


class TreeDecisions(Decisions):
    """A tree in depth-first order: one decision a node, and what stands behind the end of the tree does not matter.

    Which options are legal at a node depends on the nodes before it, through the grammar and through shapes. `mutate`
    draws the sub-tree of one random node anew, `crossover` exchanges sub-trees of one symbol, `neighbours` changes one
    terminal; all of them return legal trees only.

    Args:
        tasks: a tree is legal where its shapes fit every one of them.
        guards: the length of a row, and other limits.
        probability: with which a module is drawn as computation.
    """

    typical = 200

    def __init__(self, tasks: Sequence[Task], guards: Guards, probability: float) -> None:
        super().__init__([Choice(decision_name(place), OPTIONS) for place in range(guards.nodes)])
        self.tasks, self.guards, self.probability = tuple(tasks), guards, probability
        self.inputs: States = tuple(State(task.input_shape) for task in tasks)
        self._checked: Callable[[bytes], str] = lru_cache(100_000)(self._fault)

    def row(self, codes: Sequence[int]) -> npt.NDArray[np.uint8]:
        """Codes of a tree, zeros behind them. Raises NasError for a tree of more nodes than a row has."""
        if len(codes) > len(self):
            raise NasError(f"the tree has {len(codes)} nodes; a tree of this space has at most {len(self)}")
        row = np.zeros(len(self), dtype=np.uint8)
        row[: len(codes)] = codes
        return row

    def tree(self, row: npt.ArrayLike) -> Node:
        """The tree of one row (D,). Raises NasError where the grammar does not allow it."""
        return parse_codes(np.asarray(row).tolist())

    def legal(self, row: npt.NDArray[np.uint8]) -> bool:
        """Whether a canonical row is a tree whose shapes fit and that keeps the guards."""
        return not self._checked(row.tobytes())

    def _fault(self, content: bytes) -> str:
        """What is wrong with a row, '' for nothing."""
        try:
            tree = parse_codes(content)
            settle(tree, self.inputs, self.guards)
            for task in self.tasks:
                program = Program(tree, task, self.guards.operators)
                for name, value, most in (
                    ("parameters", program.parameters, self.guards.parameters),
                    ("activations", program.activations, self.guards.activations),
                ):
                    if value > most:
                        return f"the tree's network has {value} {name} at {task}; at most {most} are legal in this space"
        except NasError as error:
            return str(error)
        return ""

    def check(self, rows: npt.ArrayLike) -> Rows:
        """Canonical rows. Raises NasError naming the first node that the grammar or its shapes do not allow."""
        checked = super().check(rows)
        for row in np.ascontiguousarray(checked):
            fault = self._checked(row.tobytes())
            if fault:
                raise NasError(fault)
        return checked

    def active(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """(N, D): True up to the end of each tree."""
        ends = np.array([length_of(row.tolist()) for row in np.asarray(rows)], dtype=np.int64)
        return np.asfortranarray(np.arange(len(self)) < ends[:, None])

    def canonical(self, rows: Rows) -> Rows:
        """Zeros behind the end of each tree."""
        return np.asfortranarray(np.where(self.active(rows), rows, 0).astype(np.uint8))

    def sample(self, rng: np.random.Generator, count: int) -> Rows:
        """`count` trees drawn from the grammar, see `search_spaces.einspace.sampling`."""
        return self._stacked([self._sampled(rng) for _ in range(count)])

    def _sampled(self, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        start = Place("S", (self.inputs,), 0)
        for _ in range(TRIES):
            grown = Growth(rng, self.guards, self.probability).grow(start, len(self))
            if grown is not None and self.legal(row := self.row(grown[0])):
                return row
        return self.row(from_text(SMALLEST))

    def mutate(self, rows: Rows, rng: np.random.Generator, probability: float | npt.NDArray[np.float64] = 0.1) -> Rows:
        """The sub-tree of one node, drawn uniformly, is drawn anew without the node's present option.

        Args:
            probability: not used: a tree's mutation is one node, however large the tree.
        """
        return self._stacked([self._mutated(row, rng) for row in np.ascontiguousarray(rows)])

    def _mutated(self, row: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        tree = self.tree(row)
        nodes = list(tree.walk())
        places = settle(tree, self.inputs, self.guards)
        for _ in range(TRIES):
            node = nodes[int(rng.random() * len(nodes))]
            budget = len(self) - tree.length + node.length
            grown = Growth(rng, self.guards, self.probability).grow(places[node.start], budget, node.option)
            if grown is not None and (child := self._replaced(row, node, grown[0])) is not None:
                return child
        return row

    def crossover(self, first: Rows, second: Rows, rng: np.random.Generator) -> Rows:
        """The first parent with one of its sub-trees replaced by one of the second's that derives from the same symbol."""
        pairs = zip(np.ascontiguousarray(first), np.ascontiguousarray(second), strict=True)
        return self._stacked([self._crossed(one, other, rng) for one, other in pairs])

    def _crossed(
        self, row: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8], rng: np.random.Generator
    ) -> npt.NDArray[np.uint8]:
        nodes = list(self.tree(row).walk())[1:]
        givers: dict[str, list[Node]] = {}
        for node in list(self.tree(other).walk())[1:]:
            givers.setdefault(node.symbol, []).append(node)
        for _ in range(TRIES):
            node = nodes[int(rng.random() * len(nodes))]
            candidates = givers.get(node.symbol)
            if not candidates:
                continue
            giver = candidates[int(rng.random() * len(candidates))]
            codes = other[giver.start : giver.start + giver.length].tolist()
            child = self._replaced(row, node, codes)
            if child is not None and not np.array_equal(child, row):
                return child
        return row

    def _replaced(self, row: npt.NDArray[np.uint8], node: Node, codes: Sequence[int]) -> npt.NDArray[np.uint8] | None:
        """The row with other codes in a node's place, or None where that is no legal tree."""
        end = length_of(row.tolist())
        joined = [*row[: node.start].tolist(), *codes, *row[node.start + node.length : end].tolist()]
        if len(joined) > len(self):
            return None
        child = self.row(joined)
        return child if self.legal(child) else None

    def neighbours(self, row: npt.ArrayLike) -> Rows:
        """Every legal tree in which one terminal (a node without nodes below it) is another."""
        origin = np.ascontiguousarray(self.check(np.asarray(row).reshape(1, -1)))[0]
        tree = self.tree(origin)
        places = settle(tree, self.inputs, self.guards)
        found = []
        for node in tree.walk():
            if node.children:
                continue
            for option in terminals(places[node.start], self.guards):
                child = self._replaced(origin, node, [CODE[option]]) if option != node.option else None
                if child is not None:
                    found.append(child)
        return self._stacked(found)

    def smallest(self) -> Rows:
        """(1, D): two modules that do nothing, one after the other."""
        return self._stacked([self.row(from_text(SMALLEST))])

    def largest(self) -> Rows:
        """(1, D): the most nodes, as a chain of linear layers of 16 features."""
        count = (len(self) + 1) // 3
        return self._stacked([self.row(from_text(chain(*[linear(16)] * count)))])

    def moves(self, rng: np.random.Generator) -> Iterator[Callable[[Rows], Rows]]:
        """Random mutations: a tree has no decision that could be changed by itself."""
        for _ in range(MOVES):
            yield lambda rows: self.mutate(rows, rng)

    @cached_property
    def size(self) -> int:
        """How many trees the grammar derives that fit a row: an upper bound, since shapes are not asked."""
        return count_trees(len(self))

    def _stacked(self, rows: list[npt.NDArray[np.uint8]]) -> Rows:
        if not rows:
            return np.empty((0, len(self)), dtype=np.uint8, order="F")
        return np.asfortranarray(np.stack(rows))
