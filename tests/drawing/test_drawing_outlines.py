"""Many architectures as lists of blocks: all that they run, and nothing else; and panels as SVG inside a page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import networkx
import numpy as np
import pytest

from nas.architectures.decisions import Rows
from nas.base.seeds import generator
from nas.drawing import network_graph
from nas.drawing.outlines import outlines
from nas.drawing.panels import network_scene
from nas.drawing.states import states_scene
from nas.reporting.html import data_block, document, tag
from nas.reporting.svg import rough_width, svg_of
from nas.supernet import Space, open_space


@pytest.mark.parametrize("name", ["mbconv:ofa", "cells:nas-bench-201", "vit:autoformer-t"])
def test_the_blocks_of_an_architecture_are_all_that_it_costs(name: str) -> None:
    space = open_space(name)
    rows = space.decisions.sample(generator(3, "outlines"), 12)
    found = outlines(space, rows)
    assert [sum(line.macs for line in lines) for lines in found] == space.compiled("macs")(rows).tolist()
    params = np.array([sum(line.params for line in lines) for lines in found])
    whole = space.compiled("params")(rows)
    # Tables of positions are weights that no block of a transformer owns.
    assert (params < whole).all() if name.startswith("vit") else (params == whole).all()


def test_they_are_the_blocks_of_a_drawing(mbconv: Space, mbconv_rows: Rows) -> None:
    lines = outlines(mbconv, mbconv_rows[:1])[0]
    graph = network_graph(mbconv, mbconv.decode(mbconv_rows[:1])[0])
    drawn = [graph.nodes[node] for node in list(graph)[1:]]
    assert len(lines) == sum(node["count"] for node in drawn)
    assert [line.kind for line in lines] == [node["kind"] for node in drawn for _ in range(node["count"])]
    assert [line.output for line in lines] == [node["shape"] for node in drawn for _ in range(node["count"])]
    assert [list(line.said) for line in lines] == [node["details"] for node in drawn for _ in range(node["count"])]


def test_networks_that_are_built_by_themselves() -> None:
    space = open_space("einspace")
    rows = space.decisions.sample(generator(1, "outlines"), 2)
    for row, lines in zip(rows, outlines(space, rows), strict=True):
        assert sum(line.macs for line in lines) == space.compiled("macs")(np.asfortranarray(row[None]))[0]


def test_a_panel_is_a_picture_in_the_colours_of_the_page(mbconv: Space) -> None:
    graph = network_graph(mbconv, mbconv.smallest)
    wide, narrow = (network_scene(graph, rough_width, columns) for columns in (None, 1))
    assert narrow.width < wide.width and narrow.height > wide.height
    root = ElementTree.fromstring(svg_of(narrow, {"mbconv": 3}, "a <network>"))
    assert root.attrib["aria-label"] == "a <network>"
    boxes = [part for part in root if part.attrib.get("class", "").startswith("box")]
    assert len(boxes) == len(graph)
    assert sum(part.attrib["class"] == "box kind3" for part in boxes) == sum("mbconv" in box.kind for box in narrow.boxes)
    numbers = [float(number) for part in root.iter("path") for number in re.findall(r"-?\d+\.?\d*", part.attrib["d"])]
    assert max(numbers) <= max(narrow.width, narrow.height)


def test_curves_and_what_is_no_markup() -> None:
    graph = networkx.DiGraph()
    graph.add_edge("<b>", "end", label="</svg><script>")
    scene = states_scene("cell", graph, rough_width)
    made = svg_of(replace(scene, title="x"), {}, "cell")
    assert "<script>" not in made and "C" in "".join(re.findall(r' d="([^"]*)"', made))
    ElementTree.fromstring(made)


def test_whatever_is_not_markup_is_escaped() -> None:
    evil = "</script><script>alert('1')</script>&\u2028"
    assert "<script>" not in tag("p", evil, title=evil)
    block = data_block("data", {evil: [evil]})
    assert block.count("<") == 2 and "\u2028" not in block
    page = document(evil, tag("p", evil), "p {}", "let a = 1;")
    assert page.count("<script>") == 1 and "default-src 'none'" in page.replace("&#x27;", "'")
