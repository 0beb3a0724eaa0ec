"""Genotypes of normal and reduction cell, in the two ways in which papers' codes write them.

DARTS (Liu et al. 2019): for each cell a list of (operator, input) pairs, two a block, and the states that are concatenated.
Input 0 is the output of the cell before the previous one, 1 that of the previous cell.

TensorFlow-Slim's NASNet (Zoph et al. 2018): for each cell the list of operators, the list of their inputs, and for each state
a flag that is 1 where it counts as used, so that it is not concatenated. Input 0 is the output of the previous cell, 1 that
of the cell before it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nas.base.errors import NasError, unknown
from nas.choices import Option
from search_spaces.cells.decisions import CellDecisions, Pairs
from search_spaces.cells.isomorphism import INPUTS


class Genotype(NamedTuple):
    """Both cells in the convention of DARTS."""

    normal: Pairs
    normal_concat: tuple[int, ...]
    reduce: Pairs
    reduce_concat: tuple[int, ...]


class SlimCell(NamedTuple):
    """One cell in the convention of TensorFlow-Slim."""

    operations: tuple[str, ...]
    hiddenstate_indices: tuple[int, ...]
    used_hiddenstates: tuple[int, ...]


SLIM_NAMES = {
    "none": "skip_connect",
    "separable_3x3_2": "sep_conv_3x3",
    "separable_5x5_2": "sep_conv_5x5",
    "separable_7x7_2": "sep_conv_7x7",
}
"""TensorFlow-Slim's names of operators where they differ; its `none` is the identity."""


def left_states(pairs: Sequence[tuple[str, int]]) -> tuple[int, ...]:
    """The states of a cell that no block reads."""
    read = {source for _, source in pairs}
    return tuple(state for state in range(INPUTS + len(pairs) // 2) if state not in read)


def swapped(state: int) -> int:
    """The number of a state in the other convention: the two inputs change places."""
    return 1 - state if state < INPUTS else state


def to_slim(pairs: Pairs, concat: Sequence[int]) -> SlimCell:
    """A cell as TensorFlow-Slim writes it."""
    names = {name: slim for slim, name in SLIM_NAMES.items()}
    joined = {swapped(state) for state in concat}
    return SlimCell(
        tuple(names.get(operator, operator) for operator, _ in pairs),
        tuple(swapped(source) for _, source in pairs),
        tuple(int(state not in joined) for state in range(INPUTS + len(pairs) // 2)),
    )


def from_slim(cell: SlimCell) -> tuple[Pairs, tuple[int, ...]]:
    """(operator, input) pairs and concatenated states in the convention of DARTS. Raises NasError for lists that do not fit."""
    operations, sources, used = cell
    blocks, odd = divmod(len(operations), 2)
    if odd or len(sources) != len(operations) or len(used) != INPUTS + blocks:
        raise NasError(
            f"a cell of B blocks has 2 B operations, 2 B inputs and B + 2 flags; given {len(operations)}, {len(sources)} "
            f"and {len(used)}"
        )
    pairs = tuple((SLIM_NAMES.get(name, name), swapped(source)) for name, source in zip(operations, sources, strict=True))
    return pairs, tuple(sorted(swapped(state) for state, flag in enumerate(used) if not flag))


def write_genotype(genotype: Genotype) -> str:
    """The text that DARTS's code prints, which `read_genotype` reads."""
    return (
        f"Genotype(normal={list(genotype.normal)}, normal_concat={list(genotype.normal_concat)}, "
        f"reduce={list(genotype.reduce)}, reduce_concat={list(genotype.reduce_concat)})"
    )


def read_genotype(text: str) -> Genotype:
    """A genotype from the text that DARTS's code prints; nothing in it is executed.

    Raises:
        NasError: the text is not of the form `Genotype(normal=[('sep_conv_3x3', 1), ...], normal_concat=range(2, 6), ...)`.
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "Genotype":
            raise ValueError("no call of Genotype")
        names = (*Genotype._fields[: len(call.args)], *(keyword.arg for keyword in call.keywords))
        if sorted(map(str, names)) != sorted(Genotype._fields):
            raise ValueError(f"fields {names}")
        values = (*call.args, *(keyword.value for keyword in call.keywords))
        given = {str(name): _literal(value) for name, value in zip(names, values, strict=True)}
        normal, reduce = (_pairs(given[name]) for name in ("normal", "reduce"))
        return Genotype(normal, tuple(given["normal_concat"]), reduce, tuple(given["reduce_concat"]))
    except (ValueError, SyntaxError, TypeError) as error:
        raise NasError(
            f"this is no genotype: {error}; it is written Genotype(normal=[('sep_conv_3x3', 1), ...], "
            "normal_concat=range(2, 6), reduce=[...], reduce_concat=range(2, 6))"
        ) from error


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range" and not node.keywords:
        return list(range(*(ast.literal_eval(argument) for argument in node.args)))
    return ast.literal_eval(node)


def _pairs(given: Any) -> Pairs:
    pairs = tuple((operator, source) for operator, source in given)
    if not all(isinstance(operator, str) and isinstance(source, int) for operator, source in pairs):
        raise ValueError("pairs must be (name, number)")
    return pairs


def decisions_of(genotype: Genotype, cells: Sequence[CellDecisions]) -> dict[str, Option]:
    """The decisions that a genotype makes for a space's cells, named 'normal' and 'reduce'. Raises NasError for others."""
    decisions: dict[str, Option] = {}
    for cell in cells:
        decisions |= cell.from_pairs(getattr(genotype, cell.name))
    return decisions


def genotype_of(architecture: Mapping[str, Option], cells: Sequence[CellDecisions], every: bool = False) -> Genotype:
    """The genotype of an architecture.

    Args:
        every: whether all blocks are concatenated, as in DARTS, or the states that no block reads, as in NASNet.
    """
    found: dict[str, Any] = {}
    for cell in cells:
        pairs = cell.pairs(architecture)
        found[cell.name] = pairs
        found[f"{cell.name}_concat"] = tuple(range(INPUTS, INPUTS + cell.blocks)) if every else left_states(pairs)
    missing = [field for field in Genotype._fields if field not in found]
    if missing:
        raise unknown("cell", missing[0], found)
    return Genotype(**found)
