"""What is decided in a searched cell, as choices, as numbers, and as the (operator, input) pairs of a genotype.

States are numbered as in DARTS: 0 is the output of the cell before the previous one, 1 that of the previous cell, 2 + b the
sum of block b.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from nas.architectures.decisions import Rows
from nas.base.errors import NasError, unknown
from nas.choices import Choice, Option, Value
from search_spaces.cells.isomorphism import INPUTS, Slots, canonical_cells
from search_spaces.cells.values import OptionTable

Pairs: TypeAlias = tuple[tuple[str, int], ...]
"""Operator and input state of each operand, two a block, block after block: half of a genotype."""


class CellDecisions(ABC):
    """The decisions of one type of cell, shared by all cells of that type.

    Attributes:
        name: 'normal' or 'reduce'.
        blocks: how many pairs of operators are added up.
        operators: names, from the cheapest operator to the dearest.
        choices: in the order of their columns.
    """

    choices: tuple[Choice, ...]

    def __init__(self, name: str, blocks: int, operators: Sequence[str]) -> None:
        self.name = name
        self.blocks = blocks
        self.operators = tuple(operators)

    @abstractmethod
    def slots(self, codes: Rows) -> tuple[Slots, Slots]:
        """Columns of the choices (N, K) -> sources and operators, (N, B, 2) each."""

    @abstractmethod
    def codes(self, sources: Slots, operators: Slots) -> Rows:
        """The inverse of `slots` for cells that this space has."""

    def require_legal(self, block: int, inputs: tuple[int, int]) -> None:
        """Raises NasError where a block of this space cannot read these two states."""
        if not all(0 <= source < INPUTS + block for source in inputs):
            raise NasError(
                f"block {block + 1} of the {self.name} cell reads states {inputs[0]} and {inputs[1]}; "
                f"it may read 0 to {INPUTS + block - 1}"
            )

    def from_pairs(self, pairs: Sequence[tuple[str, int]]) -> dict[str, Option]:
        """The decisions that a genotype's list of (operator, input) pairs makes.

        Raises:
            NasError: too many or too few pairs, an operator that this space lacks, or an input that a block cannot read.
        """
        if len(pairs) != 2 * self.blocks:
            raise NasError(
                f"the {self.name} cell has {self.blocks} blocks of two operators; given {len(pairs)} (operator, input) pairs"
            )
        sources, operators = np.zeros((2, 1, self.blocks, 2), dtype=np.int64)
        for place, (operator, source) in enumerate(pairs):
            if operator not in self.operators:
                raise unknown(f"operator of the {self.name} cell", operator, self.operators)
            sources[0, place // 2, place % 2] = source
            operators[0, place // 2, place % 2] = self.operators.index(operator)
        for block in range(self.blocks):
            self.require_legal(block, (int(sources[0, block, 0]), int(sources[0, block, 1])))
        codes = self.codes(sources, operators)[0]
        return {choice.name: choice.options[code] for choice, code in zip(self.choices, codes, strict=True)}

    def pairs(self, decisions: Mapping[str, Option]) -> Pairs:
        """The (operator, input) pairs of an architecture's cell."""
        codes = np.array([[choice.index(decisions[choice.name]) for choice in self.choices]])
        sources, operators = self.slots(codes.astype(np.uint8))
        numbers = zip(operators.reshape(-1).tolist(), sources.reshape(-1).tolist(), strict=True)
        return tuple((self.operators[operator], source) for operator, source in numbers)


class PairedCell(CellDecisions):
    """Each block reads two different states: a pair of inputs, and an operator for the lower and for the higher one."""

    def __init__(self, name: str, blocks: int, operators: Sequence[str]) -> None:
        super().__init__(name, blocks, operators)
        self.input_pairs = [list(itertools.combinations(range(INPUTS + block), 2)) for block in range(blocks)]
        self.nodes: list[tuple[Choice | None, Choice, Choice]] = []
        for block, pairs in enumerate(self.input_pairs):
            prefix = f"{name}.node{block + 1}"
            names = tuple(f"{low},{high}" for low, high in pairs)
            inputs = Choice(f"{prefix}.inputs", names) if len(names) > 1 else None
            first, second = (Choice(f"{prefix}.{place}", self.operators) for place in ("first", "second"))
            self.nodes.append((inputs, first, second))
        self.choices = tuple(choice for node in self.nodes for choice in node if choice is not None)
        self.uses = [[self._use(block, source) for source in range(INPUTS + block)] for block in range(blocks)]
        """Whether a block reads a state."""
        self._indices: dict[tuple[int, int, tuple[str, ...]], Value] = {}

    def _use(self, block: int, source: int) -> Value:
        inputs, _, _ = self.nodes[block]
        if inputs is None:
            return True
        pairs = zip(inputs.options, self.input_pairs[block], strict=True)
        return inputs.map({name: source in pair for name, pair in pairs})

    def operator_index(self, block: int, source: int, table: Sequence[str]) -> Value:
        """Number in a table of operators of the one that a block applies to a state, where it reads it."""
        key = (block, source, tuple(table))
        if key not in self._indices:
            inputs, first, second = self.nodes[block]
            if inputs is None:
                only = first if source == 0 else second
                self._indices[key] = only.map({name: table.index(name) for name in self.operators})
            else:

                def index(inputs: str, first: str, second: str) -> int:
                    return table.index(first if inputs.split(",")[0] == str(source) else second)

                self._indices[key] = OptionTable((inputs, first, second), index)
        return self._indices[key]

    def slots(self, codes: Rows) -> tuple[Slots, Slots]:
        """See `CellDecisions`."""
        columns = iter(codes.T)
        sources, operators = [], []
        for (inputs, _, _), pairs in zip(self.nodes, self.input_pairs, strict=True):
            pair = np.zeros(len(codes), dtype=np.uint8) if inputs is None else next(columns)
            sources.append(np.array(pairs, dtype=np.uint8)[pair])
            operators.append(np.stack([next(columns), next(columns)], axis=1))
        return np.stack(sources, axis=1), np.stack(operators, axis=1)

    def codes(self, sources: Slots, operators: Slots) -> Rows:
        """See `CellDecisions`; the operands of a block come in any order."""
        columns = []
        swapped = sources[:, :, 0] > sources[:, :, 1]
        for block, ((inputs, _, _), pairs) in enumerate(zip(self.nodes, self.input_pairs, strict=True)):
            if inputs is not None:
                numbers = np.zeros((INPUTS + block, INPUTS + block), dtype=np.uint8)
                for number, (low, high) in enumerate(pairs):
                    numbers[low, high] = numbers[high, low] = number
                columns.append(numbers[sources[:, block, 0], sources[:, block, 1]])
            first, second = operators[:, block, 0], operators[:, block, 1]
            columns.append(np.where(swapped[:, block], second, first))
            columns.append(np.where(swapped[:, block], first, second))
        return np.asfortranarray(np.stack(columns).astype(np.uint8).T)

    def require_legal(self, block: int, inputs: tuple[int, int]) -> None:
        """Raises NasError where a block of this space cannot read these two states."""
        super().require_legal(block, inputs)
        if inputs[0] == inputs[1]:
            raise NasError(f"block {block + 1} of the {self.name} cell reads state {inputs[0]} twice; its inputs must differ")


class FreeCell(CellDecisions):
    """Each operand of a block chooses its state and its operator."""

    def __init__(self, name: str, blocks: int, operators: Sequence[str]) -> None:
        super().__init__(name, blocks, operators)
        self.operands: list[tuple[Choice, Choice]] = []
        for block, place in itertools.product(range(blocks), ("first", "second")):
            prefix = f"{name}.block{block + 1}.{place}"
            source = Choice(f"{prefix}.input", tuple(range(INPUTS + block)))
            self.operands.append((source, Choice(f"{prefix}.operator", self.operators)))
        self.choices = tuple(choice for operand in self.operands for choice in operand)
        self.inputs = tuple(source for source, _ in self.operands)

    def slots(self, codes: Rows) -> tuple[Slots, Slots]:
        """See `CellDecisions`."""
        slots = codes.reshape(len(codes), self.blocks, 2, 2)
        return slots[..., 0], slots[..., 1]

    def codes(self, sources: Slots, operators: Slots) -> Rows:
        """See `CellDecisions`."""
        slots = np.stack([sources, operators], axis=-1).astype(np.uint8)
        return np.asfortranarray(slots.reshape(len(slots), len(self.choices)))


def isomorphism(cells: Sequence[CellDecisions]) -> Callable[[Rows], Rows]:
    """Rows whose columns are the choices of the cells, one after the other -> rows of the representatives."""

    def representatives(rows: Rows) -> Rows:
        parts = []
        start = 0
        for cell in cells:
            stop = start + len(cell.choices)
            sources, operators = canonical_cells(*cell.slots(rows[:, start:stop]), len(cell.operators))
            parts.append(cell.codes(sources, operators))
            start = stop
        return np.concatenate(parts, axis=1)

    return representatives
