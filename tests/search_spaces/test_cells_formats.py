"""Genotypes and strings of the papers, read and written."""

from __future__ import annotations

import pytest
from cells_spaces import small
from test_cells_isomorphism import isomorphic

from nas.base.errors import NasError
from search_spaces.cells import darts as darts_space_module
from search_spaces.cells import darts_cell, known, nasnet_cell
from search_spaces.cells import nas_bench_201 as bench
from search_spaces.cells import nasnet as nasnet_module
from search_spaces.cells import nats_size as nats
from search_spaces.cells.cell_strings import EXAMPLE, read_cell, write_cell
from search_spaces.cells.genotype import (
    Genotype,
    from_slim,
    genotype_of,
    left_states,
    read_genotype,
    to_slim,
    write_genotype,
)
from search_spaces.cells.graphs import cell_graph

PRINTED = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=range(2, 6), "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))"
)

PUBLISHED = {
    "darts-v1": ("darts", known.DARTS_V1),
    "darts-v2": ("darts", known.DARTS_V2),
    "nasnet-a": ("nasnet", known.NASNET_A),
    "amoebanet-a": ("nasnet", known.AMOEBANET_A),
}


def test_a_printed_genotype_is_read() -> None:
    assert read_genotype(PRINTED) == known.DARTS_V2
    assert read_genotype(write_genotype(known.AMOEBANET_A)) == known.AMOEBANET_A


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Genotype(",
        "print(1)",
        "Genotype(normal=[], reduce=[])",
        PRINTED.replace("range(2, 6)", "open('x')"),
        "Genotype(1, 2, 3, 4)",
    ],
)
def test_another_text_is_refused_and_not_run(text: str) -> None:
    with pytest.raises(NasError, match="this is no genotype"):
        read_genotype(text)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_network_is_the_published_graph(name: str) -> None:
    space_name, genotype = PUBLISHED[name]
    cells = darts_cell.CELLS if space_name == "darts" else nasnet_cell.CELLS
    space = small(space_name)
    found = genotype_of(space.known[name], cells, every=space_name == "darts")
    for pairs, concat, own, own_concat in (
        (genotype.normal, genotype.normal_concat, found.normal, found.normal_concat),
        (genotype.reduce, genotype.reduce_concat, found.reduce, found.reduce_concat),
    ):
        assert isomorphic(cell_graph(pairs, concat), cell_graph(own, own_concat))
    from_genotype = darts_space_module.from_genotype if space_name == "darts" else nasnet_module.from_genotype
    assert space.validate(from_genotype(found)) == space.known[name]


def test_concatenated_states_of_published_cells_are_those_that_are_left() -> None:
    for genotype in (known.NASNET_A, known.AMOEBANET_A):
        assert left_states(genotype.normal) == genotype.normal_concat
        assert left_states(genotype.reduce) == genotype.reduce_concat


def test_the_other_index_convention_exchanges_the_inputs() -> None:
    """NASNet-A in both codes: the authors' flags join one state more in each cell, though a block reads it."""
    for name in ("normal", "reduce"):
        pairs, concat = from_slim(known.NASNET_A_SLIM[name])
        assert pairs == getattr(known.NASNET_A, name)
        assert set(concat) == {*getattr(known.NASNET_A, f"{name}_concat"), *known.NASNET_A_KEPT[name]}
        assert to_slim(pairs, concat) == known.NASNET_A_SLIM[name]
    with pytest.raises(NasError, match="2 B operations"):
        from_slim(known.NASNET_A_SLIM["normal"]._replace(used_hiddenstates=(1, 0)))


def with_normal(pairs: list[tuple[str, int]]) -> Genotype:
    return known.DARTS_V2._replace(normal=tuple(pairs))


@pytest.mark.parametrize(
    ("genotype", "words"),
    [
        (with_normal([("sep_conv_3x3", 0)] * 7), "given 7"),
        (with_normal([("sep_conv_3", 0), *known.DARTS_V2.normal[1:]]), "'sep_conv_3'.*Did you mean 'sep_conv_3x3'"),
        (with_normal([("none", 0), *known.DARTS_V2.normal[1:]]), "operator of the normal cell 'none'"),
        (with_normal([("sep_conv_3x3", 2), *known.DARTS_V2.normal[1:]]), "block 1 of the normal cell reads states 2 and 1"),
        (with_normal([("sep_conv_3x3", 1), *known.DARTS_V2.normal[1:]]), "reads state 1 twice"),
        (known.NASNET_A, "4 blocks of two operators; given 10"),
    ],
)
def test_what_darts_does_not_hold_is_told(genotype: Genotype, words: str) -> None:
    with pytest.raises(NasError, match=words):
        darts_space_module.from_genotype(genotype)


def test_strings_of_nas_bench_201_are_read_and_written() -> None:
    operators = read_cell("|none~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|")
    assert operators == ("none", "nor_conv_1x1", "skip_connect", "avg_pool_3x3", "none", "nor_conv_3x3")
    assert bench.EDGES == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    assert write_cell(operators) == "|none~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"
    space = small("nas-bench-201")
    assert bench.to_string(space.validate(bench.from_string(EXAMPLE))) == EXAMPLE


@pytest.mark.parametrize(
    "text",
    ["", "|none~0|", EXAMPLE.replace("~2", "~1"), EXAMPLE.replace("+", "|"), EXAMPLE.replace("nor_conv_3x3~2", "conv~2")],
)
def test_other_strings_are_refused(text: str) -> None:
    with pytest.raises(NasError, match=r"no cell of NAS-Bench-201|unknown operator of NAS-Bench-201 'conv'"):
        read_cell(text)


def test_widths_of_nats_bench_are_read_and_written() -> None:
    space = small("nats-size")
    architecture = space.validate(nats.from_string("16:32:64:8:40"))
    assert [architecture[f"width{layer}"] for layer in range(1, 6)] == [16, 32, 64, 8, 40]
    assert nats.to_string(architecture) == "16:32:64:8:40"
    for text in ("16:32:64:8", "16:32:64:8:41", "16:32:64:8:x", ""):
        with pytest.raises(NasError, match="5 numbers with colons"):
            nats.from_string(text)
