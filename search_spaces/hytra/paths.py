"""Paths through the fabric: counted, listed, and written as the paper writes them.

A path gives each layer a scale (3 for the largest map, 0 for the smallest) and an operator. Following the map down by one
scale at a time is the only way: a map never grows again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product

from nas.base.errors import NasError

OPERATORS = {3: ("convolution",), 2: ("convolution",), 1: ("attention", "convolution"), 0: ("attention", "convolution")}
"""What a layer on each scale may be: attention over a large map would cost too much."""

SCALES = {3: "56x56", 2: "28x28", 1: "14x14", 0: "7x7"}
"""Map of each scale for images of 224 px."""

FIRST = {4: (3, 2), 3: (2, 1), 2: (1, 0), 1: (0,)}
"""Scales on which the released search lets a block begin, by how many scales remain."""

BLOCK = 4
"""Layers of a block, where the fabric is searched block by block."""

OFFERED = (4, 3, 2, 2)
"""How many scales, counted from the smallest map, the released search offers to each block."""

Path = tuple[tuple[int, str], ...]
"""(scale, operator) of each layer."""


def scale_sequences(layers: int, starts: Sequence[int], halvings_per_layer: int = 1) -> Iterator[tuple[int, ...]]:
    """Every sequence of scales that begins on one of `starts` and never moves up.

    Args:
        halvings_per_layer: how many scales one layer may descend; 3 allows any jump.
    """

    def extend(path: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(path) == layers:
            yield path
            return
        for descent in range(min(halvings_per_layer, path[-1]) + 1):
            yield from extend((*path, path[-1] - descent))

    for start in starts:
        yield from extend((start,))


def paths(layers: int, starts: Sequence[int], halvings_per_layer: int = 1) -> Iterator[Path]:
    """Every path; see `scale_sequences`. The blocks of the released search have 4 layers and begin on `FIRST`."""
    for scales in scale_sequences(layers, starts, halvings_per_layer):
        for operators in product(*(OPERATORS[scale] for scale in scales)):
            yield tuple(zip(scales, operators, strict=True))


def block_paths(number: int, layers: int, arriving: int | None) -> Iterator[Path]:
    """The restricted table of the released search: the paths of one block that may follow what was chosen before it.

    Args:
        number: of the block, from 0.
        layers: of the block.
        arriving: scale of the layer before the block; None for the first block. No layer moves above it, and the first
            layer halves its map at most once, as every other one.
    """
    offered = OFFERED[min(number, len(OFFERED) - 1)]
    remaining = offered if arriving is None else min(offered, arriving + 1)
    starts = [scale for scale in FIRST[remaining] if arriving is None or arriving - scale <= 1]
    return paths(layers, starts)


def count_paths(layers: int, starts: Sequence[int], halvings_per_layer: int = 1) -> int:
    """How many paths there are, without listing them."""
    ending = {scale: len(OPERATORS[scale]) for scale in SCALES}
    for _ in range(layers - 1):
        ending = {
            scale: len(OPERATORS[scale]) * sum(ending[scale - d] for d in range(min(halvings_per_layer, scale) + 1))
            for scale in SCALES
        }
    return sum(ending[start] for start in starts)


def parse_lists(lists: Sequence[Sequence[int]]) -> Path:
    """A path from the paper's form: one list for each scale from 56 x 56 down, 1 for ResConv and 0 for ResAtt.

    Raises:
        NasError: not four lists, another number than 0 and 1, attention where there is none, or a scale that is left out
            between two others.
    """
    if len(lists) != len(SCALES):
        raise NasError(f"a HyTra network is written as {len(SCALES)} lists, one for each scale; given {len(lists)}")
    path: list[tuple[int, str]] = []
    for scale, codes in zip(SCALES, lists, strict=True):
        for code in codes:
            if code not in (0, 1):
                raise NasError(f"layers are written as 1 (ResConv) or 0 (ResAtt); given {code!r} on the {SCALES[scale]} map")
            operator = ("attention", "convolution")[code]
            if operator not in OPERATORS[scale]:
                raise NasError(f"there is no attention on the {SCALES[scale]} map; write 1 there")
            path.append((scale, operator))
    if not path:
        raise NasError("a HyTra network needs at least one layer")
    if any(before - after > 1 for (before, _), (after, _) in pairwise(path)):
        raise NasError("a HyTra network halves its map once at a time; give the scale in between at least one layer")
    return tuple(path)


def format_lists(path: Path) -> list[list[int]]:
    """The inverse of `parse_lists`."""
    return [[int(operator == "convolution") for at, operator in path if at == scale] for scale in SCALES]
