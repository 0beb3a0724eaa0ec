"""Equal branches become one, and only equal ones."""

from __future__ import annotations

from typing import Any

import networkx

from nas.drawing.parallel import merged


def node(label: str, macs: int = 1) -> dict[str, Any]:
    said = {"label": label, "kind": label, "path": label, "details": [], "shape": (4,), "macs": macs}
    return {**said, "count": 1, "residual": False}


def heads(count: int, odd_macs: int = 1) -> networkx.DiGraph:
    """`count` branches of two blocks between a split and a joint; the second block of the last may cost more."""
    graph = networkx.DiGraph()
    graph.add_node("split", **node("split"))
    graph.add_node("joint", **node("joint"))
    for head in range(count):
        graph.add_node(("first", head), **node("first"))
        graph.add_node(("second", head), **node("second", odd_macs if head == count - 1 else 1))
        networkx.add_path(graph, ["split", ("first", head), ("second", head), "joint"])
    return graph


def test_equal_branches_are_one() -> None:
    found = merged(heads(8))
    assert [found.nodes[name]["label"] for name in networkx.topological_sort(found)] == [
        "split",
        "first, 8 in parallel",
        "second, 8 in parallel",
        "joint",
    ]
    assert found.number_of_edges() == 3
    assert sum(data["count"] * data["macs"] for _, data in found.nodes(data=True)) == 18


def test_a_branch_that_differs_later_stays_apart() -> None:
    found = merged(heads(8, odd_macs=5))
    labels = [data["label"] for _, data in found.nodes(data=True)]
    assert sorted(labels) == ["first", "first, 7 in parallel", "joint", "second", "second, 7 in parallel", "split"]
    assert sum(data["count"] * data["macs"] for _, data in found.nodes(data=True)) == 22


def test_equal_blocks_in_a_row_stay_apart() -> None:
    graph = networkx.DiGraph()
    graph.add_nodes_from((place, node("same")) for place in range(5))
    networkx.add_path(graph, range(5))
    assert list(merged(graph).edges) == list(graph.edges)
