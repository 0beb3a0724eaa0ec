"""How predictors see normal and reduction cells: their operators counted by place, and as graphs of operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from nas.architectures import Decisions, Encoding, Graphs
from nas.architectures.decisions import Rows
from search_spaces.cells.decisions import CellDecisions
from search_spaces.cells.isomorphism import INPUTS, Slots

LONGEST = 2
"""Operators on the paths of the path encoding: longer ones are cut off, as its authors do where there are too many."""


def encoding_of(cells: Sequence[CellDecisions], every: bool) -> Callable[[Decisions], Encoding]:
    """The encoding of a space whose decisions are those of its cells, one after the other.

    Args:
        every: whether all blocks are concatenated, as in DARTS, or those that no block reads, as in NASNet.
    """

    def make(decisions: Decisions) -> Encoding:
        def features(rows: Rows) -> npt.NDArray[np.float64]:
            contents = [_contents(cell, part) for cell, part in _split(cells, rows)]
            return np.concatenate([decisions.one_hot(rows), *contents], axis=1)

        def paths(rows: Rows) -> npt.NDArray[np.float64]:
            found = [np.minimum(_paths(cell, part), 1.0) for cell, part in _split(cells, rows)]
            return np.concatenate(found, axis=1)

        smallest = decisions.smallest()
        widths = [_contents(cell, part).shape[1] for cell, part in _split(cells, smallest)]
        return Encoding(
            decisions,
            features,
            lambda rows: operator_graphs(cells, every, rows),
            {"paths": paths},
            (*decisions.cardinalities.tolist(), *widths),
        )

    return make


def operator_graphs(cells: Sequence[CellDecisions], every: bool, rows: Rows) -> Graphs:
    """For each cell its two inputs, two operators a block, and its output; an operator reads the operators of its state.

    Node features are the one-hots of (input 0, input 1, output, the operators) and of the cell. The output of a cell is
    read by nothing: cells of both types stand side by side.
    """
    sizes = [INPUTS + 2 * cell.blocks + 1 for cell in cells]
    kinds = INPUTS + 1 + max(len(cell.operators) for cell in cells)
    nodes = np.zeros((len(rows), sum(sizes), kinds + len(cells)), dtype=np.float32)
    adjacency = np.zeros((len(rows), sum(sizes), sum(sizes)), dtype=np.float32)
    line = np.arange(len(rows))
    first = 0
    for number, (cell, part) in enumerate(_split(cells, rows)):
        sources, operators = cell.slots(part)
        output = first + sizes[number] - 1
        nodes[:, first : output + 1, kinds + number] = 1.0
        for state in range(INPUTS):
            nodes[:, first + state, state] = 1.0
        nodes[:, output, INPUTS] = 1.0
        read = np.zeros((len(rows), INPUTS + cell.blocks), dtype=bool)
        for block in range(cell.blocks):
            for operand in range(2):
                node = first + INPUTS + 2 * block + operand
                source = sources[:, block, operand].astype(np.int64)
                nodes[line, node, INPUTS + 1 + operators[:, block, operand]] = 1.0
                read[line, source] = True
                inner = source >= INPUTS
                adjacency[line[~inner], first + source[~inner], node] = 1.0
                for of_state in range(2):
                    adjacency[line[inner], first + INPUTS + 2 * (source[inner] - INPUTS) + of_state, node] = 1.0
        joined = np.ones_like(read) if every else ~read
        for block in range(cell.blocks):
            for operand in range(2):
                adjacency[:, first + INPUTS + 2 * block + operand, output] = joined[:, INPUTS + block]
        if not every:
            adjacency[:, first : first + INPUTS, output] = joined[:, :INPUTS]
        first = output + 1
    return Graphs(nodes, adjacency)


def _split(cells: Sequence[CellDecisions], rows: Rows) -> Iterator[tuple[CellDecisions, Rows]]:
    """Each cell with the columns of its choices."""
    start = 0
    for cell in cells:
        stop = start + len(cell.choices)
        yield cell, rows[:, start:stop]
        start = stop


def _depths(sources: Slots) -> npt.NDArray[np.int64]:
    """(N, 2 + B): the most blocks on a way from an input to each state, its own included."""
    count, blocks = sources.shape[:2]
    depths = np.zeros((count, INPUTS + blocks), dtype=np.int64)
    line = np.arange(count)[:, None]
    for block in range(blocks):
        depths[:, INPUTS + block] = 1 + depths[line, sources[:, block]].max(axis=1)
    return depths


def _contents(cell: CellDecisions, rows: Rows) -> npt.NDArray[np.float64]:
    """What isomorphic cells share: how often each operator stands in the cell and on its inputs, and blocks of each depth."""
    sources, operators = cell.slots(rows)
    flat, outer = operators.reshape(len(rows), -1), sources.reshape(len(rows), -1) < INPUTS
    depths = _depths(sources)[:, INPUTS:]
    columns = [
        *((flat == kind).sum(axis=1) for kind in range(len(cell.operators))),
        *(((flat == kind) & outer).sum(axis=1) for kind in range(len(cell.operators))),
        *((depths == depth).sum(axis=1) for depth in range(1, cell.blocks + 1)),
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def _paths(cell: CellDecisions, rows: Rows) -> npt.NDArray[np.float64]:
    """How many paths begin at each input with each sequence of at most `LONGEST` operators, and end in a block."""
    sources, operators = cell.slots(rows)
    kinds = len(cell.operators)
    width = sum(kinds**length for length in range(LONGEST + 1))
    # Sequences in every state, by number: the empty one first, then those of one operator, and so on.
    states = np.zeros((len(rows), INPUTS + cell.blocks, INPUTS, width))
    for state in range(INPUTS):
        states[:, state, state, 0] = 1.0
    offsets = np.cumsum([0, *(kinds**length for length in range(LONGEST + 1))])
    line = np.arange(len(rows))
    for block in range(cell.blocks):
        for operand in range(2):
            source, operator = sources[:, block, operand], operators[:, block, operand].astype(np.int64)
            for length in range(LONGEST):
                for sequence in range(kinds**length):
                    grown = offsets[length + 1] + sequence * kinds + operator
                    states[line, INPUTS + block, :, grown] += states[line, source, :, offsets[length] + sequence]
    found: npt.NDArray[np.float64] = states[:, INPUTS:, :, 1:].sum(axis=1).reshape(len(rows), -1)
    return found
