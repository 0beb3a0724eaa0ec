"""Nothing covers anything else: boxes stand apart, texts fit, wires pass by the boxes that they do not end at."""

from __future__ import annotations

import itertools

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_spaces import branching, cell, plain

from nas.base.errors import NasError
from nas.drawing import network_graph
from nas.drawing.chain import chain_scene
from nas.drawing.folding import folded_scene
from nas.drawing.layered import apart, layered
from nas.drawing.measure import text_width
from nas.drawing.page import page
from nas.drawing.panels import network_scene, own_scenes
from nas.drawing.scene import Box, Point, Scene
from nas.drawing.wiring import layered_scene
from nas.supernet import Space


def overlap(first: Box, second: Box) -> bool:
    return (
        first.x < second.x + second.width
        and second.x < first.x + first.width
        and first.y < second.y + second.height
        and second.y < first.y + first.height
    )


def inside(point: Point, box: Box, margin: float = 0.5) -> bool:
    x, y = point
    return box.x + margin < x < box.x + box.width - margin and box.y + margin < y < box.y + box.height - margin


def along(points: tuple[Point, ...], tangent: Point | None) -> list[Point]:
    """Places on a wire: on its straight pieces, and on the curves of one that swings."""
    places: list[Point] = []
    for index, ((a, b), (c, d)) in enumerate(itertools.pairwise(points)):
        for t in np.linspace(0.0, 1.0, 41):
            if tangent is None or index % 2 == 1:
                places.append((a + (c - a) * t, b + (d - b) * t))
                continue
            reach = 0.5 * abs((c - a) * tangent[0] + (d - b) * tangent[1])
            controls = [(a, b), (a + tangent[0] * reach, b + tangent[1] * reach)]
            controls += [(c - tangent[0] * reach, d - tangent[1] * reach), (c, d)]
            weights = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3]
            places.append(
                (
                    sum(w * p[0] for w, p in zip(weights, controls, strict=True)),
                    sum(w * p[1] for w, p in zip(weights, controls, strict=True)),
                )
            )
    return places


def assert_legible(scene: Scene) -> None:
    for first, second in itertools.combinations(scene.boxes, 2):
        assert not overlap(first, second), (first.name, second.name)
    for box in scene.boxes:
        assert -0.01 <= box.x <= box.x + box.width <= scene.width + 0.01
        assert -0.01 <= box.y <= box.y + box.height <= scene.height + 0.01
        for row in box.rows:
            assert sum(text.width(text_width) for text in row) <= box.width - 6
        assert sum(max(text.size for text in row) for row in box.rows) < box.height
    for wire in scene.wires:
        for place in along(wire.points, wire.tangent):
            assert not any(inside(place, box) for box in scene.boxes), wire
            assert -0.01 <= place[0] <= scene.width + 0.01
            assert -0.01 <= place[1] <= scene.height + 0.01


def boxes_for(count: int, rng: np.random.Generator) -> list[Box]:
    return [Box(f"b{i}", (), "", float(rng.uniform(20, 120)), float(rng.uniform(20, 70))) for i in range(count)]


def random_graph(count: int, rng: np.random.Generator) -> networkx.DiGraph:
    """A graph without cycles in which every node but the first reads an earlier one."""
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(count))
    for node in range(1, count):
        graph.add_edges_from((int(before), node) for before in rng.integers(max(0, node - 4), node, rng.integers(1, 4)))
    return graph


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("down", [False, True])
def test_layers(seed: int, down: bool) -> None:
    rng = np.random.default_rng(seed)
    graph = random_graph(int(rng.integers(2, 22)), rng)
    boxes = dict(enumerate(boxes_for(len(graph), rng)))
    scene = layered_scene("", graph, boxes, down=down)
    assert_legible(scene)
    assert len(scene.wires) == graph.number_of_edges()
    axis = 1 if down else 0
    for first, second in graph.edges:
        assert scene.boxes[first].middle[axis] < scene.boxes[second].middle[axis]


@pytest.mark.parametrize("seed", range(8))
def test_columns_of_layers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = networkx.DiGraph()
    for start in range(0, 40, 4):
        graph.add_edges_from([(start, start + 1), (start, start + 2), (start + 1, start + 3), (start + 2, start + 3)])
        graph.add_edge(start + 3, start + 4)
    boxes = dict(enumerate(boxes_for(len(graph), rng)))
    scene = folded_scene(graph, {node: boxes[node] for node in graph})
    assert_legible(scene)
    assert {box.name for box in scene.boxes} == {box.name for box in boxes.values()}
    assert scene.width > 0.5 * scene.height, "forty boxes go into several columns"


@pytest.mark.parametrize("seed", range(12))
def test_chains_with_shortcuts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = boxes_for(int(rng.integers(1, 30)), rng)
    pairs = {tuple(sorted(rng.integers(0, len(boxes), 2).tolist())) for _ in range(8)}
    skips = [(a, b) for a, b in sorted(pairs) if b > a + 1]
    residual = rng.integers(0, 2, len(boxes)).astype(bool).tolist()
    scene = chain_scene("", boxes, residual, skips)
    assert_legible(scene)
    assert len(scene.wires) == len(boxes) - 1 + len(skips) + sum(residual)


@given(
    st.lists(st.tuples(st.floats(-100, 100), st.floats(0.1, 5)), min_size=1, max_size=8),
    st.lists(st.floats(0, 30), min_size=8, max_size=8),
)
def test_positions_keep_their_distance_and_nothing_is_nearer(wanted: list[tuple[float, float]], room: list[float]) -> None:
    distances = room[: len(wanted) - 1]
    targets, weights = [target for target, _ in wanted], [weight for _, weight in wanted]
    found = apart(targets, weights, distances)
    for (first, second), distance in zip(itertools.pairwise(found), distances, strict=True):
        assert second - first >= distance - 1e-6

    def cost(positions: list[float]) -> float:
        return sum(w * (p - t) ** 2 for p, t, w in zip(positions, targets, weights, strict=True))

    for start in range(len(found)):
        for end in range(start + 1, len(found) + 1):
            for step in (-1e-3, 1e-3):
                moved = [p + step * (start <= i < end) for i, p in enumerate(found)]
                legal = all(b - a >= d - 1e-9 for (a, b), d in zip(itertools.pairwise(moved), distances, strict=True))
                assert not legal or cost(moved) >= cost(found) - 1e-6


def test_a_crossing_that_can_be_avoided_is() -> None:
    graph = networkx.DiGraph([("a", "y"), ("b", "x"), ("a", "z"), ("x", "end"), ("y", "end"), ("z", "end")])
    sizes = dict.fromkeys(graph, (10.0, 10.0))
    found = layered(graph, sizes, (20.0, 10.0))
    above = found.centres["a"][1] < found.centres["b"][1]
    for name in ("y", "z"):
        assert (found.centres[name][1] < found.centres["x"][1]) is above


def test_a_cycle_is_refused() -> None:
    with pytest.raises(NasError, match="cycle"):
        layered(networkx.DiGraph([(1, 2), (2, 1)]), {1: (1, 1), 2: (1, 1)}, (1, 1))


@pytest.mark.parametrize("space", [plain(), branching()], ids=lambda space: space.name)
def test_networks_of_small_spaces(space: Space) -> None:
    for architecture in (space.smallest, space.largest):
        assert_legible(network_scene(network_graph(space, architecture), text_width))


def test_mbconv(mbconv: Space) -> None:
    graph = network_graph(mbconv, mbconv.known["mnasnet-b1"])
    scene = network_scene(graph, text_width)
    assert_legible(scene)
    assert 0.5 < scene.width / scene.height < 2


def test_graphs_of_a_space_on_a_page() -> None:
    (scene,) = own_scenes(cell(), text_width)
    assert_legible(scene)
    labels = sorted(text.text for box in scene.boxes for row in box.rows for text in row)
    assert labels == ["conv 3x3", "conv 5x5", "input A", "input B", "out", "pool", "sum"]
    sheet = page("title", "subtitle", [scene, scene], text_width)
    assert len(sheet.boxes) == 2 * len(scene.boxes)
    assert sheet.kinds == ("convolution", "pool")
    assert [kind for kind, _ in sheet.swatches] == ["convolution", "pool"]
    for text, (x, y) in sheet.texts:
        assert x + text.width(text_width) <= sheet.width
        assert text.size < y < sheet.height
