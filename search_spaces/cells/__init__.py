"""Cells of a few nodes, repeated."""

from nas.supernet import Family
from search_spaces.cells.darts import darts_space
from search_spaces.cells.nas_bench_201 import nas_bench_201_space
from search_spaces.cells.nasnet import nasnet_space
from search_spaces.cells.nats_size import nats_size_space

FAMILY = Family(
    presets={
        "darts": darts_space,
        "nas-bench-201": nas_bench_201_space,
        "nasnet": nasnet_space,
        "nats-size": nats_size_space,
    },
    default="darts",
    summary="cells: small searched graphs, repeated to form a network",
)
