"""Cells as labelled networkx graphs: for drawing, and to compare them as graphs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import networkx as nx

from nas.choices import Option
from search_spaces.cells.decisions import CellDecisions
from search_spaces.cells.genotype import genotype_of
from search_spaces.cells.isomorphism import INPUTS

INPUT_LABELS = ("cell before last", "last cell")


def cell_graph(pairs: Sequence[tuple[str, int]], concat: Sequence[int]) -> nx.DiGraph:
    """A cell as a graph whose nodes are states, labelled by what they are, and whose edges carry the operators' names.

    Two operators between the same states share an edge; its label names both, in alphabetical order.

    Args:
        pairs: (operator, input), two a block.
        concat: the states that the output joins.
    """
    graph = nx.DiGraph()
    for state, label in enumerate(INPUT_LABELS):
        graph.add_node(state, label=label)
    operators: dict[tuple[int, int], list[str]] = defaultdict(list)
    for place, (operator, source) in enumerate(pairs):
        operators[source, INPUTS + place // 2].append(operator)
    for state in range(INPUTS, INPUTS + len(pairs) // 2):
        graph.add_node(state, label="sum")
    for (source, state), names in operators.items():
        graph.add_edge(source, state, label=" + ".join(sorted(names)))
    graph.add_node("output", label="concatenation")
    for state in concat:
        graph.add_edge(state, "output", label="")
    return graph


def cell_graphs(architecture: Mapping[str, Option], cells: Sequence[CellDecisions], every: bool) -> dict[str, nx.DiGraph]:
    """The graphs of an architecture's normal and reduction cell by title; `every` as in `genotype_of`."""
    genotype = genotype_of(architecture, cells, every)
    return {
        "normal cell": cell_graph(genotype.normal, genotype.normal_concat),
        "reduction cell": cell_graph(genotype.reduce, genotype.reduce_concat),
    }
