"""Small spaces of cells, made once for all tests."""

from __future__ import annotations

from functools import cache

from nas.supernet import Space, Task
from search_spaces.cells.darts import darts_space
from search_spaces.cells.nas_bench_201 import nas_bench_201_space
from search_spaces.cells.nasnet import nasnet_space
from search_spaces.cells.nats_size import nats_size_space

SMALL = Task(3, 32, 6)

NAMES = ("darts", "nasnet", "nas-bench-201", "nats-size")


@cache
def small(name: str) -> Space:
    """Few cells of few channels, with every kind of place that a cell may stand in, and auxiliary heads where there are any."""
    if name == "darts":
        return darts_space(channels=4, cells=4, auxiliary=True, task=SMALL)
    if name == "nasnet":
        return nasnet_space(SMALL, filters=4, repeats=1, auxiliary=True)
    return nas_bench_201_space(channels=4, cells=1) if name == "nas-bench-201" else nats_size_space()
