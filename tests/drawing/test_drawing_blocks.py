"""One architecture as a graph of blocks: which there are, what is said of them, and that nothing is lost."""

from __future__ import annotations

from typing import Any

import networkx
import numpy as np
import pytest
from toy_spaces import TASK, branching, plain

from nas.drawing import blocks, module_classes, network_graph
from nas.drawing.describe import macs, parameters
from nas.drawing.network import IMAGES, joined
from nas.supernet import Space


def codes_of(space: Space, architecture: Any) -> dict[str, int]:
    return dict(zip(space.decisions.names, space.encode([architecture])[0].tolist(), strict=True))


def said(graph: networkx.DiGraph, name: str) -> list[Any]:
    return [graph.nodes[node][name] for node in graph]


def test_blocks_of_a_plain_network() -> None:
    graph = network_graph(plain(), plain().known["deep"])
    assert said(graph, "label") == [IMAGES, "conv2d", "Block x 3", "Block", "pool", "linear"]
    assert said(graph, "path") == ["", "stem", "blocks.0-2", "blocks.3", "", "head"]
    assert said(graph, "shape") == [(3, 16, 16), (24, 8, 8), (24, 8, 8), (24, 8, 8), (24,), (10,)]
    assert said(graph, "residual") == [False, False, True, True, False, False]
    assert said(graph, "details")[1:4] == [["kernel 3", "stride 2", "width 24"], ["kernel 3"], ["kernel 5"]]
    assert list(graph.edges) == [(IMAGES, 0), (0, 1), (1, 2), (2, 3), (3, 4)]


def test_blocks_left_out_by_depth_are_not_drawn() -> None:
    graph = network_graph(plain(), plain().smallest)
    assert said(graph, "path") == ["", "stem", "blocks.0-1", "", "head"]


def test_forks_are_resolved_and_branches_kept() -> None:
    space = branching()
    graph = network_graph(space, space.validate({"maybe": True, "operator": "unit"}))
    paths = {node: graph.nodes[node]["path"] for node in graph}
    assert [paths[node] for node in graph] == ["", "stem", "maybe", "pick", "left", "right.0-1", "", "", "head"]
    assert {(paths[a], paths[b]) for a, b in graph.edges if paths[b]} >= {
        ("stem", "maybe"),
        ("maybe", "pick"),
        ("pick", "left"),
        ("pick", "right.0-1"),
    }
    joint = next(node for node in graph if graph.nodes[node]["kind"] == "concatenation")
    assert {paths[node] for node in graph.predecessors(joint)} == {"left", "right.0-1"}
    assert graph.nodes[2]["details"] == ["kernel 5", "relu"]

    without = network_graph(space, space.validate({"maybe": False, "operator": "pool"}))
    assert [without.nodes[node]["path"] for node in without] == ["", "stem", "pick", "left", "right.0-1", "", "", "head"]
    assert without.has_edge(0, 1)
    assert without.nodes[1]["kind"] == "pool"


@pytest.mark.parametrize("space", [plain(), branching()], ids=lambda space: space.name)
def test_every_operator_is_in_one_block(space: Space) -> None:
    classes = module_classes(space, TASK)
    rows = space.decisions.sample(np.random.default_rng(3), 30)
    for architecture in space.decode(rows):
        codes = codes_of(space, architecture)
        found = blocks(space.walk(), classes, codes)
        assert sum(macs(block, codes) for block in found) == space.cost("macs", architecture)
        assert sum(parameters(block, codes) for block in found) == space.cost("params", architecture)
        members = [index for block in found for index in block.indices]
        assert members == list(range(len(members)))
        graph = network_graph(space, architecture)
        assert sum(graph.nodes[node].get("count", 0) for node in graph) == len(found)
        assert sum(data["macs"] * data.get("count", 1) for _, data in graph.nodes(data=True)) == space.cost(
            "macs", architecture
        )
        assert networkx.is_directed_acyclic_graph(graph)
        assert {node for node in graph if not list(graph.predecessors(node))} == {IMAGES}


def test_a_unit_is_a_block(mbconv: Space) -> None:
    graph = network_graph(mbconv, mbconv.known["mnasnet-b1"])
    kinds = [graph.nodes[node]["kind"] for node in graph]
    assert kinds[1] == "conv"
    assert kinds[-1] == "classifier"
    assert sum(graph.nodes[node].get("count", 0) for node in graph if graph.nodes[node]["kind"] == "mbconv") == 17
    stage = next(graph.nodes[node] for node in graph if graph.nodes[node]["path"] == "layers.17-19")
    assert stage["details"] == ["kernel 5", "expand 6", "relu"]
    assert stage["residual"]
    assert not graph.nodes[2]["residual"]


@pytest.mark.parametrize(
    ("paths", "short"),
    [
        (["stem"], "stem"),
        (["layers.1", "layers.2", "layers.3"], "layers.1-3"),
        (["0", "1"], "0-1"),
        (["a.first", "b.first"], "a.first .. b.first"),
    ],
)
def test_paths_in_short(paths: list[str], short: str) -> None:
    assert joined(paths) == short
