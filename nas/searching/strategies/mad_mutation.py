"""The mutations of DeepMAD's search, on integer rows and many at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.choices import Choice, Value, free_choices
from nas.searching.entropy import Chain
from nas.searching.strategies.genes import genes

DENSE_FACTORS = np.array([1.5, 1.25, 0.8, 0.6, 0.5])
"""What a width is multiplied with, in networks without depthwise convolutions."""

DEPTHWISE_FACTORS = np.arange(5, 21) / 10
RATIOS = np.arange(15, 61) / 10
"""The same, and middle widths in parts of the width, in networks with depthwise convolutions."""

STEPS = np.array([-2, -1, 1, 2])
"""What a depth is changed by."""

GROWTH = 4
"""A width is at most so many times the one before, and at least such a part of the next."""

LEAST_SHARE = 10
"""A middle width without depthwise convolutions is at least such a part of the width."""

ROUNDED = 8
"""Widths are multiples of it."""

Values = npt.NDArray[np.float64]
Changed = dict[int, Values]
"""Column -> new values, one for each row."""


@dataclass(frozen=True)
class _Widths:
    """The columns of one super-block's widths, None where they are no decisions of their own."""

    width: int | None
    middle: int | None
    before: int | None
    after: int | None


class MadMutation:
    """Changes blocks: one decision of each, drawn uniformly.

    A block is a set of decisions whose names differ in the last part. What happens depends on what is decided:

    - a width, which is multiplied, within the widths before and behind, so that widths do not decrease by it;
    - a middle width, which is multiplied, or with depthwise convolutions drawn anew in parts of the width;
    - a depth, which grows or shrinks by one or two;
    - anything else (kernels, operators), which becomes another of its options.

    Args:
        chain: of the space that the decisions belong to.
    """

    def __init__(self, decisions: Decisions, chain: Chain) -> None:
        self.decisions = decisions
        self.depthwise = chain.depthwise
        self._options = [_numbers(choice) for choice in decisions.choices]
        free = [[column for column in gene if decisions.cardinalities[column] > 1] for gene in genes(decisions)]
        self._genes = [gene for gene in free if gene]
        self._widths = _widths(decisions, chain)
        counts = [count for block in chain.super_blocks for count in block.counts]
        self._depths = {decisions.column[choice.name] for choice in free_choices(*counts) if _is_numeric(choice)}

    def __call__(self, rows: Rows, rng: np.random.Generator, blocks: int) -> Rows:
        """Rows (N, D) with as many blocks changed, one after the other; canonical."""
        rows = np.array(rows, order="F")
        for _ in range(blocks):
            columns = self._drawn(rng, len(rows))
            rows = self.decisions.filled(rows, rng)
            for column in np.unique(columns).tolist():
                chosen = np.flatnonzero(columns == column)
                part = np.asfortranarray(rows[chosen])
                self._change(part, column, rng)
                rows[chosen] = part
            rows = self.decisions.canonical(rows)
        return rows

    def _drawn(self, rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
        """The decision that is changed in each row: of a block drawn uniformly, a decision drawn uniformly."""
        if not self._genes:
            return np.zeros(count, dtype=np.int64)
        sizes = np.array([len(gene) for gene in self._genes])
        table = np.zeros((len(sizes), sizes.max()), dtype=np.int64)
        for index, gene in enumerate(self._genes):
            table[index, : len(gene)] = gene
        block = (rng.random(count) * len(sizes)).astype(np.int64)
        drawn: npt.NDArray[np.int64] = table[block, (rng.random(count) * sizes[block]).astype(np.int64)]
        return drawn

    def _change(self, rows: Rows, column: int, rng: np.random.Generator) -> None:
        """Change one decision of every row, in place."""
        for widths in self._widths:
            if column == widths.width:
                return self._set(rows, self._new_width(rows, widths, rng))
            if column == widths.middle:
                return self._set(rows, self._new_middle(rows, widths, rng))
        if column in self._depths:
            return self._set(rows, {column: self._new_depth(rows, column, rng)})
        options = int(self.decisions.cardinalities[column])
        rows[:, column] = (rows[:, column] + 1 + (rng.random(len(rows)) * (options - 1)).astype(np.int64)) % options
        return None

    def _new_width(self, rows: Rows, widths: _Widths, rng: np.random.Generator) -> Changed:
        assert widths.width is not None
        old = self._values(rows, widths.width)
        new = _rounded(old * _any(DEPTHWISE_FACTORS if self.depthwise else DENSE_FACTORS, rng, len(rows)))
        if widths.before is not None:
            before = self._values(rows, widths.before)
            new = np.maximum(before, new if self.depthwise else np.minimum(GROWTH * before, new))
        if widths.after is not None:
            after = self._values(rows, widths.after)
            new = np.minimum(after, new)
            if not self.depthwise and widths.before is not None:
                new = np.maximum(_rounded(after / GROWTH), new)
        changed = {widths.width: new}
        if widths.middle is not None:
            middle = self._values(rows, widths.middle)
            changed[widths.middle] = _rounded(new * _nearest(RATIOS, middle / old)) if self.depthwise else _share(middle, new)
        return changed

    def _new_middle(self, rows: Rows, widths: _Widths, rng: np.random.Generator) -> Changed:
        assert widths.middle is not None
        middle = self._values(rows, widths.middle)
        if widths.width is None:
            return {widths.middle: _rounded(middle * _any(DENSE_FACTORS, rng, len(rows)))}
        width = self._values(rows, widths.width)
        if self.depthwise:
            return {widths.middle: _rounded(width * _any(RATIOS, rng, len(rows)))}
        new = np.minimum(width, _rounded(middle * _any(DENSE_FACTORS, rng, len(rows))))
        return {widths.middle: _share(new, width)}

    def _new_depth(self, rows: Rows, column: int, rng: np.random.Generator) -> Values:
        """Drawn anew where it stayed at an end, as often as there are steps."""
        old, options = self._values(rows, column), self._options[column]
        new = old.copy()
        for _ in STEPS:
            moved = np.clip(old + _any(STEPS, rng, len(rows)), options[0], options[-1])
            new = np.where(new == old, moved, new)
        return new

    def _values(self, rows: Rows, column: int) -> Values:
        return self._options[column][rows[:, column]]

    def _set(self, rows: Rows, changed: Changed) -> None:
        for column, values in changed.items():
            rows[:, column] = _nearest_code(self._options[column], values)


def _widths(decisions: Decisions, chain: Chain) -> list[_Widths]:
    """The stem and the super-blocks whose widths are decisions; others are left out."""

    def column(value: Value) -> int | None:
        return decisions.column.get(value.name) if isinstance(value, Choice) and _is_numeric(value) else None

    outputs = [column(chain.entry), *(column(block.width) for block in chain.super_blocks)]
    middles = [None, *(column(block.middle) for block in chain.super_blocks)]
    found, seen = [], set[int]()
    for index, (width, middle) in enumerate(zip(outputs, middles, strict=True)):
        before = outputs[index - 1] if index else None
        after = next((other for other in outputs[index + 1 :] if other != width), None)
        if not seen & {width, middle}:
            found.append(_Widths(width, None if middle == width else middle, before, after))
        seen |= {one for one in (width, middle) if one is not None}
    return found


def _is_numeric(choice: Choice) -> bool:
    """Whether the options are numbers in increasing order."""
    return all(type(option) in (int, float) for option in choice.options) and list(choice.options) == sorted(choice.options)


def _numbers(choice: Choice) -> Values:
    """The options as numbers; their positions where they are none."""
    return np.array(choice.options if _is_numeric(choice) else range(len(choice.options)), dtype=np.float64)


def _any(options: npt.NDArray[np.generic], rng: np.random.Generator, count: int) -> Values:
    drawn: Values = options[(rng.random(count) * len(options)).astype(np.int64)].astype(np.float64)
    return drawn


def _rounded(values: Values) -> Values:
    return np.maximum(ROUNDED, np.round(values / ROUNDED) * ROUNDED)


def _share(middle: Values, width: Values) -> Values:
    """Middle widths, raised where they are less than a tenth of the width."""
    return np.where(middle < width / LEAST_SHARE, _rounded(width / LEAST_SHARE), middle)


def _nearest(options: Values, values: Values) -> Values:
    return options[_nearest_code(options, values)]


def _nearest_code(options: Values, values: Values) -> npt.NDArray[np.int64]:
    """The positions of the options, which increase, that are nearest to the values; the smaller of two equally near."""
    middles = (options[1:] + options[:-1]) / 2
    return np.searchsorted(middles, values).astype(np.int64)
