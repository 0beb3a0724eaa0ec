"""`nas draw` and `nas spaces NAME`: what they write and print, and every mistake."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from onnx_stand_in import without_exporter
from typer.testing import CliRunner

from nas.cli.app import app
from nas.supernet import Space

OWN = """
import torch
from torch import nn
import nas
from nas.elastic import ElasticConv2d, ElasticLinear

class Tiny(nn.Module):
    task = nas.Task(3, 8, 4)

    def __init__(self, task):
        super().__init__()
        width = nas.Choice("width", (8, 16))
        self.stem = ElasticConv2d(task.channels, width, 3)
        self.head = ElasticLinear(width, task.classes)

    def forward(self, images):
        return self.head(torch.relu(self.stem(images)).mean((2, 3)))
"""


def invoke(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def mistake(*arguments: str) -> str:
    """Run a command that must fail; returns its message of one line."""
    code, out, err = invoke(*arguments)
    assert code == 2, (code, out, err)
    assert "Traceback" not in out + err
    assert err.count("\n") == 1
    return err


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the present one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search of the space in `tiny.py` beside it."""
    folder = tmp_path_factory.mktemp("drawn") / "run"
    (folder.parent / "tiny.py").write_text(OWN)
    space = f"{folder.parent / 'tiny.py'}:Tiny"
    with without_exporter():
        code, _, err = invoke(
            "search", "--space", space, "--steps", "1",
            "--evaluations", "1", "--resolution", "8", "--compute", "cpu", "--out", str(folder),
            "--validation-images", "20", "--calibration-images", "20",
        )  # fmt: skip
    assert code == 0, err
    return folder


def title_of(path: Path) -> str:
    root = ElementTree.parse(path).getroot()
    found = root.find(".//{http://purl.org/dc/elements/1.1/}title")
    assert found is not None
    return found.text or ""


def test_a_space_by_its_first_known_network(empty: Path) -> None:
    code, out, err = invoke("draw", "mbconv")
    assert code == 0, err
    file = empty / "mbconv-single-path-mnasnet-b1.svg"
    assert file.name in out
    assert title_of(file) == "mbconv:single-path, mnasnet-b1"


def test_a_chosen_network(empty: Path, mbconv: Space) -> None:
    code, out, err = invoke("draw", "mbconv", "-o", "small.svg", "--architecture", "smallest", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["file"] == "small.svg"
    assert found["name"] == "smallest"
    assert found["macs"] == mbconv.cost("macs", mbconv.smallest)
    assert found["architecture"] == mbconv.smallest.to_json()
    (empty / "mine.json").write_text(json.dumps(mbconv.largest.to_json()))
    code, out, err = invoke("draw", "mbconv", "--out", "mine.svg", "--architecture", "mine.json", "--json")
    assert code == 0, err
    assert json.loads(out)["architecture"] == mbconv.largest.to_json()
    assert title_of(empty / "mine.svg") == "mbconv:single-path, mine"


def test_the_winner_of_a_run(run: Path, empty: Path) -> None:
    code, out, err = invoke("draw", str(run), "-o", "winner.svg", "--json")
    assert code == 0, err
    found, winner = json.loads(out), json.loads((run / "winner.json").read_text())
    assert found["architecture"] == winner["architecture"]
    assert found["macs"] == json.loads((run / "results.json").read_text())["winner"]["costs"]["macs"]
    assert "10 outputs" in found["at"]
    assert "winner of" in title_of(empty / "winner.svg")
    code, out, err = invoke(
        "draw", f"{run.parent / 'tiny.py'}:Tiny", "-o", "same.svg", "--architecture", str(run / "winner.json"), "--json"
    )
    assert code == 0, err
    assert json.loads(out)["architecture"] == winner["architecture"]
    code, out, err = invoke("draw", str(run), "-o", "small.svg", "--architecture", "smallest", "--json")
    assert code == 0, err
    assert "10 outputs" in json.loads(out)["at"]


def test_a_space_in_a_file(empty: Path) -> None:
    (empty / "tiny.py").write_text(OWN)
    code, _, err = invoke("draw", "tiny.py:Tiny", "-o", "tiny.svg")
    assert code == 0, err
    assert "largest" in title_of(empty / "tiny.svg")
    code, out, err = invoke("spaces", "tiny.py:Tiny", "--json")
    assert code == 0, err
    assert json.loads(out)["stages"][0]["decisions"] == {"width": [8, 16]}


@pytest.mark.parametrize(
    ("arguments", "needles"),
    [
        (["mbcnov"], ["mbcnov", "Did you mean 'mbconv'"]),
        (["mbconv:single"], ["single-path"]),
        (["mbconv", "-o", "a.gif"], [".gif", ".svg, .png, .pdf"]),
        (["mbconv", "-o", "a"], ["no suffix"]),
        (["mbconv", "--architecture", "mnasnet-b2"], ["mnasnet-b2", "mnasnet-b1", "smallest", "JSON"]),
        (["mbconv", "--architecture", "nowhere.json"], ["nowhere.json", "does not exist"]),
        (["mbconv", "--architecture", "text.json"], ["text.json", "cannot be read"]),
        (["mbconv", "--architecture", "list.json"], ["list.json", "JSON object"]),
        (["mbconv", "--architecture", "wrong.json"], ["layer1", "k3e3"]),
        (["mbconv", "--architecture", "other.json"], ["vit:else", "mbconv:single-path"]),
        (["runs/nothing"], ["runs/nothing", "manifest.json"]),
        (["half"], ["half"]),
    ],
)
def test_mistakes(arguments: list[str], needles: list[str], empty: Path) -> None:
    (empty / "half").mkdir()
    (empty / "text.json").write_text("no json")
    (empty / "list.json").write_text("[1, 2]")
    (empty / "wrong.json").write_text('{"decisions": {"layer1": "k9e9"}}')
    (empty / "other.json").write_text('{"space": "vit:else", "decisions": {"layer1": "k3e3"}}')
    before = sorted(empty.iterdir())
    message = mistake("draw", *arguments)
    for needle in needles:
        assert needle in message, message
    assert sorted(empty.iterdir()) == before


def test_an_unfinished_run(run: Path, empty: Path) -> None:
    (empty / "run").mkdir()
    (empty / "run" / "manifest.json").write_bytes((run / "manifest.json").read_bytes())
    assert "nas resume run" in mistake("draw", "run")


def test_without_matplotlib(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, out, _ = invoke("draw", "mbconv", "-o", "a.svg", "--json")
    assert code == 2
    assert "nas-toolkit[draw]" in json.loads(out)["error"]


def test_one_space(mbconv: Space) -> None:
    code, shown, err = invoke("spaces", "mbconv")
    assert code == 0, err
    for needle in (
        "mbconv:single-path",
        "layers.17-19",
        "kernel 3/5",
        "layer18-20: skip/",
        "mnasnet-b1",
        "Stamoulis",
        "3.12e+13",
    ):
        assert needle in shown
    code, out, err = invoke("spaces", "mbconv:single-path", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["decisions"] == 20
    assert found["networks"] == float(mbconv.size)
    assert sum(stage["share"] for stage in found["stages"]) == pytest.approx(1)
    assert sum(stage["macs"] for stage in found["stages"]) == mbconv.cost("macs", mbconv.largest)
    known = {network["name"]: network for network in found["known"]}
    assert known["mnasnet-b1"]["macs"] == mbconv.cost("macs", mbconv.known["mnasnet-b1"])
    assert list(known) == ["mnasnet-b1", "smallest", "largest"]
    assert invoke("spaces", "--json", "mbconv:single-path")[1] == out


def test_a_space_without_a_supernet() -> None:
    code, shown, err = invoke("spaces", "einspace")
    assert code == 0, err
    for needle in ("einspace", "by itself", "Ericsson"):
        assert needle in shown
    found = json.loads(invoke("spaces", "einspace", "--json")[1])
    assert found["separate"]
    assert found["stages"] == []
    assert all(network["macs"] > 0 for network in found["known"])


def test_a_space_without_a_supernet_is_drawn(empty: Path) -> None:
    code, out, err = invoke("draw", "einspace", "-o", "a.svg", "--json")
    assert code == 0, err
    assert json.loads(out)["name"] in title_of(empty / "a.svg")


def test_mistakes_with_spaces() -> None:
    assert "Did you mean 'mbconv'" in mistake("spaces", "mbcnov")
    assert "error" in json.loads(invoke("spaces", "mbcnov", "--json")[1])
    assert invoke("spaces", "mbconv", "vit")[0] == 2
    shown = invoke("spaces", "--help")[1]
    assert "NAME" in shown
    assert " of " not in shown, "the command behind NAME stays hidden"
