"""The strings in which NAS-Bench-201 and NATS-Bench write cells and widths."""

from __future__ import annotations

from collections.abc import Sequence

from nas.base.errors import NasError, unknown

NODES = 4

EDGES = tuple((source, target) for target in range(1, NODES) for source in range(target))
"""Source and target node, in the order of a string."""

OPERATORS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""In the order of the benchmark."""

EXAMPLE = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def read_cell(text: str) -> tuple[str, ...]:
    """The operator of each edge, in the order of `EDGES`.

    Args:
        text: for each node but the first the operators of the edges that reach it with the numbers of their sources:
            `|a~0|+|b~0|c~1|+|d~0|e~1|f~2|`.

    Raises:
        NasError: the text has another form, or an operator is none of the five.
    """
    blocks = text.strip().split("+")
    words = [block.strip("|").split("|") for block in blocks]
    shape = [[f"~{source}" for source in range(target)] for target in range(1, NODES)]
    if [["~" + word.rpartition("~")[2] for word in block] for block in words] != shape:
        raise NasError(f"this is no cell of NAS-Bench-201: {text!r}; one is written {EXAMPLE}")
    operators = tuple(word.rpartition("~")[0] for block in words for word in block)
    for operator in operators:
        if operator not in OPERATORS:
            raise unknown("operator of NAS-Bench-201", operator, OPERATORS)
    return operators


def write_cell(operators: Sequence[str]) -> str:
    """The string of a cell, from the operator of each edge in the order of `EDGES`."""
    if len(operators) != len(EDGES):
        raise NasError(f"a cell of NAS-Bench-201 has {len(EDGES)} edges; given {len(operators)} operators")
    blocks = [
        "|" + "".join(f"{name}~{source}|" for (source, end), name in zip(EDGES, operators, strict=True) if end == target)
        for target in range(1, NODES)
    ]
    return "+".join(blocks)


def read_widths(text: str, count: int, legal: Sequence[int]) -> tuple[int, ...]:
    """The widths in a string such as '16:32:64:16:8'. Raises NasError where there are not `count` legal ones."""
    words = text.strip().split(":")
    if len(words) != count or not all(word.isdecimal() and int(word) in legal for word in words):
        shown = ", ".join(map(str, legal))
        raise NasError(f"widths are written as {count} numbers with colons between them, each one of {shown}; given {text!r}")
    return tuple(int(word) for word in words)


def write_widths(widths: Sequence[int]) -> str:
    """The string of widths."""
    return ":".join(map(str, widths))
