"""One representative of all cells that are the same graph: vectorised over many cells.

A cell is a list of blocks in an order in which they can be computed. A block applies an operator to each of two earlier states
and adds the results; the states are the cell's two inputs and the blocks' sums. Two cells are isomorphic when one becomes the
other by exchanging a block's operands and by numbering the blocks otherwise. The representative is the numbering whose blocks,
written as numbers and read in order, come first in the alphabet.

The output joins states along the channels, so another numbering permutes channels and nothing else.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

Slots = npt.NDArray[np.integer]
"""(N, B, 2): for each cell, block and operand a source state or an operator."""

INPUTS = 2


def canonical_cells(sources: Slots, operators: Slots, operator_count: int) -> tuple[Slots, Slots]:
    """The representatives of cells.

    Args:
        sources: states, 0 and 1 for the cell's inputs, 2 + b for the sum of block b; block b reads states below 2 + b.
        operators: numbers below `operator_count`.
    """
    blocks = sources.shape[1]
    base = (INPUTS + blocks) * operator_count
    source = np.ascontiguousarray(sources.transpose(1, 2, 0), dtype=np.int32)
    operator = np.ascontiguousarray(operators.transpose(1, 2, 0), dtype=np.int32)
    # An operand that is not placed yet makes its block's code larger than that of any block which may come next.
    operands = np.where(source < INPUTS, source * operator_count + operator, base)
    found = np.empty((blocks, len(sources)), dtype=np.int32)
    tied = np.zeros(len(sources), dtype=bool)
    done = np.zeros((blocks, len(sources)), dtype=bool)
    for place in range(blocks):
        codes = np.minimum(operands[:, 0], operands[:, 1]) * (base + 1) + np.maximum(operands[:, 0], operands[:, 1])
        codes[(operands >= base).any(axis=1) | done] = np.iinfo(np.int32).max
        chosen = codes.argmin(axis=0)
        found[place] = codes.min(axis=0)
        tied |= (codes == found[place]).sum(axis=0) > 1
        done |= np.arange(blocks)[:, None] == chosen
        if place + 1 < blocks:
            operands = np.where(source == INPUTS + chosen, (INPUTS + place) * operator_count + operator, operands)
    if tied.any():
        # Two equal blocks may come next: which of them decides about the blocks that read them, so every order is tried.
        found[:, tied] = _first_of_all_orders(source[:, :, tied], operator[:, :, tied], operator_count)
    pairs = np.stack(np.divmod(found, base + 1), axis=-1).transpose(1, 0, 2)
    return pairs // operator_count, pairs % operator_count


def _first_of_all_orders(
    source: npt.NDArray[np.int32], operator: npt.NDArray[np.int32], operator_count: int
) -> npt.NDArray[np.int32]:
    """The codes (B, N) of the representatives of cells (B, 2, N)."""
    blocks = len(source)
    base = (INPUTS + blocks) * operator_count
    best = np.full((blocks, source.shape[2]), np.iinfo(np.int32).max, dtype=np.int32)
    for places in itertools.permutations(range(blocks)):
        numbers = np.array([*range(INPUTS), *(INPUTS + place for place in places)], dtype=np.int32)
        renamed = numbers[source]
        own = numbers[INPUTS:, None, None]
        legal = (renamed < own).all(axis=(0, 1))
        operands = (renamed * operator_count + operator)[:, :, legal]
        codes = np.empty((blocks, int(legal.sum())), dtype=np.int32)
        codes[list(places)] = operands.min(axis=1) * (base + 1) + operands.max(axis=1)
        other = best[:, legal]
        first = (codes != other).argmax(axis=0)
        columns = np.arange(codes.shape[1])
        best[:, legal] = np.where(codes[first, columns] < other[first, columns], codes, other)
    return best
