"""Table latency of architectures given as integer rows: how many a second, beside obvious ways of adding up entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from recording import alternate, arguments, ratio, record

from nas.architectures.decisions import Rows
from nas.supernet import Space, open_space

METRIC, ROWS, LOOPED = "pixel1-latency", 1_000_000, 2_000


def entries(space: Space) -> tuple[float, list[npt.NDArray[np.float64]]]:
    """A constant and, for each decision, the milliseconds that each option adds: here layers are independent."""
    cost, cardinalities = space.compiled(METRIC), space.decisions.cardinalities
    origin = np.zeros((1, len(cardinalities)), dtype=np.uint8)
    constant = float(cost(origin)[0])
    tables = []
    for column, cardinality in enumerate(cardinalities):
        rows = np.repeat(origin, cardinality, axis=0)
        rows[:, column] = np.arange(cardinality)
        tables.append(cost(rows) - constant)
    return constant, tables


def per_column(constant: float, tables: Sequence[npt.NDArray[np.float64]], rows: Rows) -> npt.NDArray[np.float64]:
    """One `take` for each column over all the rows."""
    total = np.full(len(rows), constant)
    for column, table in enumerate(tables):
        total += table.take(rows[:, column])
    return total


def dictionary_loop(constant: float, tables: Sequence[npt.NDArray[np.float64]], rows: Rows) -> list[float]:
    """A Python loop over a dictionary of entries."""
    known = {(column, code): float(ms) for column, table in enumerate(tables) for code, ms in enumerate(table)}
    return [constant + sum(known[position] for position in enumerate(row)) for row in rows.tolist()]


def main() -> None:
    """Check that all ways agree, measure and record."""
    rounds = arguments(__doc__, rounds=15).rounds
    space = open_space("mbconv")
    cost = space.compiled(METRIC)
    by_column = space.decisions.sample(np.random.default_rng(0), ROWS)
    by_row, few = np.ascontiguousarray(by_column), np.asfortranarray(by_column[:LOOPED])
    constant, tables = entries(space)
    expected = cost(by_column)
    np.testing.assert_allclose(per_column(constant, tables, by_column), expected)
    np.testing.assert_allclose(dictionary_loop(constant, tables, few), expected[:LOOPED])
    sides: dict[str, tuple[int, Callable[[], Any]]] = {
        "compiled, rows stored by column": (ROWS, lambda: cost(by_column)),
        "compiled, rows stored by row": (ROWS, lambda: cost(by_row)),
        "one take for each column": (ROWS, lambda: per_column(constant, tables, by_column)),
        "loop over a dictionary": (LOOPED, lambda: dictionary_loop(constant, tables, few)),
    }
    times = alternate({name: side for name, (_, side) in sides.items()}, rounds)
    each = {name: [seconds / sides[name][0] for seconds in measured] for name, measured in times.items()}
    first = next(iter(sides))
    figures = [
        {
            "what": name,
            "million_per_second": 1e-6 / median(each[name]),
            "ns_each": 1e9 * median(each[name]),
            "time_against_compiled": ratio(each, name, first),
        }
        for name in sides
    ]
    record(__file__, figures, space=space.name, metric=METRIC, rows=ROWS, rows_looped=LOOPED, rounds=rounds)


if __name__ == "__main__":
    main()
