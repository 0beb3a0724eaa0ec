"""Costs compiled once for a space: integer rows in, one float a row out.

A cost is a sum (or, for peak memory, a maximum) of terms, each of which depends on few decisions. A term is tabulated
over the joint options of its decisions; small tables are merged, since one look-up in a table of a few thousand entries
that stays in the processor's first cache costs no more than one in a table of five. A term of too many decisions is
evaluated by array arithmetic on the rows instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.architectures.sampling import Bound, lowest
from nas.choices import Choice, assignments

FloatArray = npt.NDArray[np.float64]
Reduction = Literal["sum", "max"]

TABLE_LIMIT = 65_536
"""A term of more joint options than this is evaluated on the rows."""

MERGE_LIMIT = 4_096
"""Tables are merged as long as the result has at most this many entries: 32 kB, a first-level cache."""

EXACT_LIMIT = 1_000_000
"""Up to this many joint options of tied decisions the minimum is found by looking at all of them."""

FEW = 512
"""Up to this many rows the number of array operations matters more than their size."""

BLOCK = 16_384
"""Rows per block, so that a block's codes, indices and sums stay in the second-level cache."""


@dataclass(frozen=True)
class Term:
    """One part of a cost: codes of its choices in (arrays of one length), floats out."""

    choices: tuple[Choice, ...]
    evaluate: Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class _Table:
    columns: tuple[int, ...]
    values: FloatArray
    """One axis a column."""


class RowCost(Protocol):
    """What a search needs of a cost."""

    def __call__(self, rows: Rows) -> FloatArray:
        """Integer rows (N, D) -> (N,)."""

    def minimum(self) -> float:
        """A figure that no architecture of the space is known to be below."""


class CompiledCost:
    """A cost of every architecture of a space.

    Args:
        decisions: the space's.
        terms: what is added up, or of which the maximum is taken.
        reduction: 'sum' or 'max'.
    """

    def __init__(self, decisions: Decisions, terms: Sequence[Term], reduction: Reduction = "sum") -> None:
        self.decisions = decisions
        self.reduction = reduction
        self._join: Any = np.add if reduction == "sum" else np.maximum
        self._constant = 0.0
        self._dynamic: list[Term] = []
        tables: list[_Table] = []
        for term in terms:
            if not term.choices:
                self._constant = float(self._join(self._constant, np.asarray(term.evaluate({})).item()))
            elif math.prod(len(choice.options) for choice in term.choices) > TABLE_LIMIT:
                self._dynamic.append(term)
            else:
                tables.append(self._tabulate(term))
        self._tables = self._merge(tables)
        sizes = [table.values.size for table in self._tables]
        self._flat = np.concatenate([np.empty(0), *(table.values.reshape(-1) for table in self._tables)])
        self._offsets = np.cumsum([0, *sizes], dtype=np.int64)[:-1]
        self._strides = np.zeros((len(decisions), len(sizes)))
        for index, table in enumerate(self._tables):
            for axis, column in enumerate(table.columns):
                self._strides[column, index] = math.prod(table.values.shape[axis + 1 :])

    def __call__(self, rows: Rows) -> FloatArray:
        """The cost of each row; rows are canonical or not, (N, D) uint8, fastest when stored column by column."""
        count = len(rows)
        if count <= FEW and not self._dynamic:
            return self._few(rows)
        result = np.empty(count)
        for start in range(0, count, BLOCK):
            block = rows[start : start + BLOCK]
            total = result[start : start + len(block)]
            total[:] = self._constant
            for columns, strides, table, index_type in self._lookups:
                if len(columns) == 1:
                    index = block[:, columns[0]]
                else:
                    index = block[:, columns[0]].astype(index_type)
                    for column, stride in zip(columns[1:], strides[1:], strict=True):
                        index *= index_type(stride)
                        index += block[:, column]
                self._join(total, table.take(index), out=total)
            if self._dynamic:
                codes = {name: block[:, column].astype(np.int64) for name, column in self.decisions.column.items()}
                for term in self._dynamic:
                    self._join(total, np.asarray(term.evaluate(codes), dtype=np.float64), out=total)
        return result

    @property
    def constant(self) -> float:
        """What every architecture costs, whatever is decided."""
        return self._constant

    @property
    def tables(self) -> list[tuple[tuple[int, ...], FloatArray]]:
        """The tabulated terms: columns of the decisions read, and the values, one axis for each of these columns."""
        return [(table.columns, table.values) for table in self._tables]

    @property
    def untabulated(self) -> int:
        """How many decisions the largest term reads that is evaluated on rows; 0 where all terms are tabulated."""
        return max((len(term.choices) for term in self._dynamic), default=0)

    def _few(self, rows: Rows) -> FloatArray:
        """The same sums in the same order by one matrix product and one look-up: for few rows, calls are what costs."""
        values = self._flat.take((rows.astype(np.float64) @ self._strides + self._offsets).astype(np.intp))
        total = np.full(len(rows), self._constant)
        for column in range(values.shape[1]):
            self._join(total, values[:, column], out=total)
        return total

    def minimum(self) -> float:
        """The smallest cost in the space: exact where decisions are tied together in groups small enough to look at all
        of their joint options, else the best that coordinate descent finds."""
        total = self._constant
        if self._dynamic:
            return self._descended()
        for tables in self._tied():
            columns = tuple(sorted({column for table in tables for column in table.columns}))
            if math.prod(self.decisions.cardinalities[list(columns)].tolist()) > EXACT_LIMIT:
                return self._descended()
            joined = self._expand(tables[0], columns)
            for table in tables[1:]:
                joined = self._join(joined, self._expand(table, columns))
            total = float(self._join(total, joined.min()))
        return total

    def _descended(self) -> float:
        return lowest(self.decisions, np.random.default_rng(0), Bound("cost", math.inf, self.__call__, str))

    def _tabulate(self, term: Term) -> _Table:
        ordered = tuple(sorted(term.choices, key=lambda choice: self.decisions.column[choice.name]))
        grid = assignments(ordered)
        values = np.broadcast_to(np.asarray(term.evaluate(grid), dtype=np.float64), (len(next(iter(grid.values()))),))
        columns = tuple(self.decisions.column[choice.name] for choice in ordered)
        return _Table(columns, values.reshape([len(choice.options) for choice in ordered]).copy())

    def _merge(self, tables: list[_Table]) -> list[_Table]:
        """Join tables of the same decisions, then neighbours, as long as the result stays small."""
        by_columns: dict[tuple[int, ...], FloatArray] = {}
        for table in tables:
            known = by_columns.get(table.columns)
            by_columns[table.columns] = table.values if known is None else self._join(known, table.values)
        merged: list[_Table] = []
        for columns in sorted(by_columns):
            table = _Table(columns, by_columns[columns])
            if merged:
                union = tuple(sorted({*merged[-1].columns, *columns}))
                size = math.prod(self.decisions.cardinalities[list(union)].tolist())
                if size <= max(MERGE_LIMIT, merged[-1].values.size):
                    merged[-1] = _Table(union, self._join(self._expand(merged[-1], union), self._expand(table, union)))
                    continue
            merged.append(table)
        self._lookups = [self._lookup(table) for table in merged]
        return merged

    def _lookup(self, table: _Table) -> tuple[tuple[int, ...], tuple[int, ...], FloatArray, Any]:
        size = table.values.size
        index_type = np.uint8 if size < 2**8 else np.uint16 if size <= 2**16 else np.int64
        return table.columns, table.values.shape, np.ascontiguousarray(table.values).reshape(-1), index_type

    def _expand(self, table: _Table, columns: tuple[int, ...]) -> FloatArray:
        """The same values with an axis for each of `columns`."""
        shape = [self.decisions.cardinalities[column] if column in table.columns else 1 for column in columns]
        full = [self.decisions.cardinalities[column] for column in columns]
        return np.broadcast_to(table.values.reshape(shape), full).copy()

    def _tied(self) -> list[list[_Table]]:
        """Tables in groups that share no decision with one another."""
        groups: list[tuple[set[int], list[_Table]]] = []
        for table in self._tables:
            columns, members = set(table.columns), [table]
            apart = []
            for other_columns, other_members in groups:
                if columns & other_columns:
                    columns |= other_columns
                    members += other_members
                else:
                    apart.append((other_columns, other_members))
            groups = [*apart, (columns, members)]
        return [members for _, members in groups]


def compile_cost(decisions: Decisions, terms: Sequence[Term], reduction: Reduction = "sum") -> CompiledCost:
    """Compile terms for a space; see `CompiledCost`."""
    return CompiledCost(decisions, terms, reduction)
