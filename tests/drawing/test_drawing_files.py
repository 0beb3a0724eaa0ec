"""Pictures as files: well-formed, the same every time, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import networkx
import pytest
from toy_spaces import branching, cell, drawing_itself, plain

from nas.base.errors import NasError
from nas.drawing import draw
from nas.supernet import Space


def box_names(path: Path) -> Counter[str]:
    root = ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    names = [element.get("id", "") for element in root.iter()]
    return Counter(name.removeprefix("box ") for name in names if name.startswith("box "))


def test_each_block_is_in_the_file_once(tmp_path: Path) -> None:
    space = plain()
    draw(space, space.known["deep"], tmp_path / "deep.svg", name="deep")
    assert box_names(tmp_path / "deep.svg") == dict.fromkeys(["images", "stem", "blocks.0-2", "blocks.3", "pool 3", "head"], 1)
    content = (tmp_path / "deep.svg").read_text()
    assert "<!-- plain, deep -->" in content
    assert "<!-- Block x 3 -->" in content
    assert "<text" not in content, "letters are outlines, which need no font"
    draw(branching(), branching().largest, tmp_path / "branching.svg")
    assert set(box_names(tmp_path / "branching.svg").values()) == {1}


def test_mbconv(mbconv: Space, tmp_path: Path) -> None:
    draw(mbconv, mbconv.known["mnasnet-b1"], tmp_path / "b1.svg")
    names = box_names(tmp_path / "b1.svg")
    assert set(names.values()) == {1}
    assert {"stem", "first", "layers.0", "layers.1-2", "layers.17-19", "last", "head", "classifier"} <= set(names)


def test_the_same_network_gives_the_same_file(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests/drawing')\n"
        "from toy_spaces import plain\n"
        "from nas.drawing import draw\n"
        f"draw(plain(), plain().smallest, r'{tmp_path / 'other.svg'}')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    for suffix in ("svg", "png", "pdf"):
        for copy in ("first", "second"):
            draw(plain(), plain().smallest, tmp_path / f"{copy}.{suffix}")
        assert (tmp_path / f"first.{suffix}").read_bytes() == (tmp_path / f"second.{suffix}").read_bytes()
    assert (tmp_path / "other.svg").read_bytes() == (tmp_path / "first.svg").read_bytes()


def test_other_kinds_of_files(tmp_path: Path) -> None:
    draw(plain(), plain().largest, tmp_path / "new" / "a.png")
    assert (tmp_path / "new" / "a.png").read_bytes().startswith(b"\x89PNG")
    draw(plain(), plain().largest, tmp_path / "a.PDF")
    assert (tmp_path / "a.PDF").read_bytes().startswith(b"%PDF")
    for name in ("a.gif", "a", "a.svg.gz"):
        with pytest.raises(NasError, match=r"\.svg, \.png, \.pdf"):
            draw(plain(), plain().largest, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.PDF", "new"]


def test_a_space_draws_itself(tmp_path: Path) -> None:
    seen = []

    def graphs(architecture: object) -> dict[str, networkx.DiGraph]:
        seen.append(architecture)
        return cell()

    space = drawing_itself(graphs)
    draw(space, space.known["deep"], tmp_path / "cell.svg")
    assert seen == [space.known["deep"]]
    assert box_names(tmp_path / "cell.svg") == dict.fromkeys(
        ["state a", "state b", "state s", "state out", "conv 3x3 a-s", "conv 5x5 a-s", "pool b-s"], 1
    )
    assert "<!-- cell -->" in (tmp_path / "cell.svg").read_text()


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (networkx.DiGraph([(1, 2), (2, 1)]), "cycle"),
        (networkx.DiGraph(), "with nodes"),
        (networkx.Graph([(1, 2)]), "DiGraph"),
        ("no graph", "DiGraph"),
    ],
)
def test_what_is_no_graph_is_refused(graph: networkx.DiGraph, message: str, tmp_path: Path) -> None:
    space = drawing_itself(lambda architecture: {"cell": graph})
    with pytest.raises(NasError, match=message):
        draw(space, space.largest, tmp_path / "cell.svg")
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(NasError, match=r"pip install 'nas-toolkit\[draw\]'"):
        draw(plain(), plain().largest, tmp_path / "a.svg")
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    (tmp_path / "a.svg").write_text("old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(NasError, match="disk is full"):
        draw(plain(), plain().largest, tmp_path / "a.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]
    assert (tmp_path / "a.svg").read_text() == "old"
