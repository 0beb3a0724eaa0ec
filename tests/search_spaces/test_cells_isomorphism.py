"""One identity for isomorphic cells, with networkx as the referee."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import networkx as nx
import numpy as np
import pytest
from cells_spaces import small
from networkx.algorithms.isomorphism import categorical_edge_match, categorical_node_match

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.choices import evaluate
from nas.supernet import open_space
from search_spaces.cells import darts_cell, nas_bench_201, nasnet_cell
from search_spaces.cells.decisions import CellDecisions, FreeCell, PairedCell, isomorphism
from search_spaces.cells.genotype import left_states
from search_spaces.cells.graphs import cell_graph

FEW = ("a", "b")
"""So few operators that equal blocks and isomorphic pairs are common."""

CELLS: dict[str, CellDecisions] = {
    "paired": PairedCell("normal", 4, FEW),
    "free": FreeCell("normal", 4, FEW),
    "free-five": FreeCell("normal", 5, FEW),
    "darts": darts_cell.CELLS[0],
    "nasnet": nasnet_cell.CELLS[1],
}


def draw(cell: CellDecisions, count: int, seed: int) -> Rows:
    return Decisions(cell.choices).sample(np.random.default_rng(seed), count)


def graphs(cell: CellDecisions, rows: Rows) -> list[nx.DiGraph]:
    found = []
    for row in rows:
        options = zip(cell.choices, row, strict=True)
        pairs = cell.pairs({choice.name: choice.options[code] for choice, code in options})
        concat = left_states(pairs) if isinstance(cell, FreeCell) else range(2, 2 + cell.blocks)
        found.append(cell_graph(pairs, concat))
    return found


def isomorphic(first: nx.DiGraph, second: nx.DiGraph) -> bool:
    return bool(nx.is_isomorphic(first, second, categorical_node_match("label", ""), categorical_edge_match("label", "")))


def renumbered(cell: CellDecisions, rows: Rows, rng: np.random.Generator) -> Rows:
    """The same cells with blocks in another legal order and operands exchanged at random."""
    sources, operators = (array.astype(int) for array in cell.slots(rows))
    for index in range(len(rows)):
        places = legal_order(sources[index], rng)
        numbers = np.array([0, 1, *(2 + place for place in places)])
        renamed, moved = numbers[sources[index]], operators[index].copy()
        exchanged = rng.random(len(places)) < 0.5
        renamed[exchanged], moved[exchanged] = renamed[exchanged][:, ::-1], moved[exchanged][:, ::-1]
        sources[index][places], operators[index][places] = renamed, moved
    return cell.codes(sources, operators)


def legal_order(sources: np.ndarray, rng: np.random.Generator) -> list[int]:
    """For each block its new place: any in which it comes after what it reads."""
    placed: list[int] = []
    while len(placed) < len(sources):
        ready = [b for b, reads in enumerate(sources) if b not in placed and all(r < 2 or r - 2 in placed for r in reads)]
        placed.append(int(rng.choice(ready)))
    return [placed.index(block) for block in range(len(sources))]


@pytest.fixture(params=CELLS)
def cell(request: pytest.FixtureRequest) -> CellDecisions:
    return CELLS[request.param]


def test_a_cell_renumbered_has_the_same_representative(cell: CellDecisions) -> None:
    rows = draw(cell, 500, 0)
    representatives = isomorphism([cell])
    other = renumbered(cell, rows, np.random.default_rng(1))
    assert (rows != other).any(axis=1).mean() > 0.5
    assert (representatives(rows) == representatives(other)).all()


def test_a_representative_is_isomorphic_to_its_cell_and_to_itself(cell: CellDecisions) -> None:
    rows = draw(cell, 60, 2)
    settled = isomorphism([cell])(rows)
    assert (isomorphism([cell])(settled) == settled).all()
    for first, second in zip(graphs(cell, rows), graphs(cell, settled), strict=True):
        assert isomorphic(first, second)


def test_two_cells_are_one_exactly_when_their_graphs_are(cell: CellDecisions) -> None:
    """On cells that are renumbered and then changed in one decision, which may make no difference."""
    rng = np.random.default_rng(3)
    rows = draw(cell, 120, 3)
    others = np.array(renumbered(cell, rows, rng))
    for row in others:
        column = rng.integers(len(cell.choices))
        row[column] = rng.integers(len(cell.choices[column].options))
    same = (isomorphism([cell])(rows) == isomorphism([cell])(others)).all(axis=1)
    referee = [isomorphic(first, second) for first, second in zip(graphs(cell, rows), graphs(cell, others), strict=True)]
    assert same.tolist() == referee
    assert 5 < sum(referee) < len(referee)


def test_equal_blocks_are_told_apart_by_what_reads_them() -> None:
    """Blocks 0 and 1 are equal; the third reads one of them twice, or both: not the same graph, though the same sums."""
    cell = CELLS["free"]
    twice = [("a", 0), ("b", 1), ("a", 0), ("b", 1), ("a", 2), ("a", 2), ("b", 3), ("b", 4)]
    other = [("b", 1), ("a", 0), ("a", 0), ("b", 1), ("a", 3), ("a", 3), ("b", 4), ("b", 2)]
    both = [("a", 0), ("b", 1), ("a", 0), ("b", 1), ("a", 2), ("a", 3), ("b", 3), ("b", 4)]
    rows = np.array([encoded(cell, pairs) for pairs in (twice, other, both)], dtype=np.uint8)
    first, second, third = isomorphism([cell])(rows).tolist()
    assert first == second != third


def encoded(cell: CellDecisions, pairs: Sequence[tuple[str, int]]) -> list[int]:
    decisions = cell.from_pairs(pairs)
    return [choice.index(decisions[choice.name]) for choice in cell.choices]


def test_cells_of_both_types_are_treated_by_themselves() -> None:
    rows = np.concatenate([draw(cell, 50, seed) for seed, cell in enumerate(darts_cell.CELLS)], axis=1)
    together = isomorphism(darts_cell.CELLS)(rows)
    width = len(darts_cell.CELLS[0].choices)
    assert (together[:, :width] == isomorphism(darts_cell.CELLS[:1])(rows[:, :width])).all()
    assert (together[:, width:] == isomorphism(darts_cell.CELLS[1:])(rows[:, width:])).all()


@pytest.mark.parametrize("name", ["darts", "nasnet", "nas-bench-201"])
def test_costs_of_a_cell_are_those_of_its_representative(name: str) -> None:
    space = small(name)
    plain = Decisions(space.decisions.choices).sample(np.random.default_rng(4), 400)
    settled = space.decisions.canonical(plain)
    assert (plain != settled).any()
    for metric in ("macs", "params"):
        cost = space.compiled(metric)
        assert (cost(plain) == cost(settled)).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["darts", "nasnet", "nas-bench-201", "nats-size"])
def test_a_hundred_thousand_are_drawn_and_costed_at_once(name: str) -> None:
    space = open_space(f"cells:{name}")
    rows = space.decisions.sample(np.random.default_rng(5), 100_000)
    assert np.array_equal(space.decisions.check(rows), rows)
    for metric in ("macs", "params"):
        assert space.compiled(metric)(rows).min() > 0


def test_the_table_of_nas_bench_201_is_that_of_its_graphs() -> None:
    """Every cell has the representative of exactly those cells whose live graphs are isomorphic."""
    table = nas_bench_201.representatives()
    rng = np.random.default_rng(6)
    choices = nas_bench_201.CHOICES
    rows = np.concatenate([rng.integers(0, 5, (60, 6)), rng.choice([0, 1, 4], (120, 6), p=[0.4, 0.3, 0.3])])
    drawn = [
        nas_bench_201.cell_graph({choice.name: choice.options[code] for choice, code in zip(choices, row, strict=True)})
        for row in rows
    ]
    settled = [bytes(row) for row in nas_bench_201.isomorphism(rows.astype(np.uint8))]
    outcomes = []
    for first, second in itertools.combinations(range(60, 180), 2):
        if len(drawn[first].edges) == len(drawn[second].edges):
            outcomes.append(isomorphic(drawn[first], drawn[second]))
            assert outcomes[-1] == (settled[first] == settled[second])
    assert 50 < sum(outcomes) < len(outcomes)
    assert len(np.unique(table, axis=0)) < 5**6
    digits = 5 ** np.arange(6)[::-1]
    assert (table[table @ digits] == table).all()


def test_an_edge_of_nas_bench_201_is_live_on_a_path_from_input_to_output() -> None:
    rng = np.random.default_rng(7)
    for row in rng.choice([0, 1], (64, 6), p=[0.5, 0.5]):
        codes = {choice.name: int(code) for choice, code in zip(nas_bench_201.CHOICES, row, strict=True)}
        open_edges = [edge for edge, code in zip(nas_bench_201.EDGES, row, strict=True) if code]
        paths = nx.DiGraph()
        paths.add_nodes_from(range(4))
        paths.add_edges_from(open_edges)
        on_a_path = {pair for path in nx.all_simple_paths(paths, 0, 3) for pair in itertools.pairwise(path)}
        live = {edge for edge in nas_bench_201.EDGES if evaluate(nas_bench_201.LIVE[edge], codes)}
        assert live == on_a_path
