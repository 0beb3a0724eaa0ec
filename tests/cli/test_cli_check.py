"""`nas spaces check`: findings, exit codes, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nas.cli.app import app

SOURCE = """
import torch
from torch import nn

import nas
from nas.elastic import ElasticConv2d, ElasticLinear


class Good(nn.Module):
    task = nas.Task(3, 16, 10)

    def __init__(self, task):
        super().__init__()
        width = nas.Choice("width", (4, 8))
        self.conv = ElasticConv2d(task.channels, width, 3)
        self.norm = nn.Identity()
        self.head = ElasticLinear(width, task.classes)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


class Averaged(Good):
    def __init__(self, task):
        super().__init__(task)
        self.conv = ElasticConv2d(task.channels, 8, 3)
        self.norm = nn.Sequential(nn.BatchNorm2d(8), ElasticConv2d(8, self.head.settings["in_features"], 3))


class Narrow(Good):
    def __init__(self, task):
        super().__init__(task)
        self.head = ElasticLinear(5, task.classes)
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_space.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)


def check(name: str, *options: str) -> tuple[int, str, str]:
    given = ["spaces", "check", name, "--architectures", "2", "--onnx", "0", *options]
    result = CliRunner().invoke(app, given)
    return result.exit_code, result.stdout, result.stderr


def test_a_space_without_faults() -> None:
    code, out, _ = check("my_space.py:Good")
    assert code == 0
    assert "nothing is wrong" in out and "nas search --space my_space.py:Good" in out


def test_faults_have_a_place_and_what_to_do() -> None:
    code, out, err = check("my_space.py:Averaged")
    assert code == 1
    assert "1. norm.0: BatchNorm2d" in out and "to do: use nas.elastic.ElasticBatchNorm2d" in out
    assert "Traceback" not in out + err


def test_a_space_that_cannot_be_made_is_a_finding() -> None:
    code, out, _ = check("my_space.py:Narrow", "--json")
    told = json.loads(out)
    assert code == 1 and told["ok"] is False
    (finding,) = told["findings"]
    assert "head" in finding["place"] and "my_space.py" in finding["place"]


@pytest.mark.parametrize(
    ("name", "options", "needle"),
    [
        ("my_space.py:God", (), "Did you mean 'Good'"),
        ("nowhere.py:Good", (), "not found"),
        ("mbcnov", (), "Did you mean 'mbconv'"),
        ("my_space.py:Good", ("--architectures", "0"), "--architectures"),
        ("my_space.py:Good", ("--seed", "-1"), "--seed"),
    ],
)
def test_mistakes_end_with_code_2(name: str, options: tuple[str, ...], needle: str) -> None:
    code, _, err = check(name, *options)
    assert code == 2
    assert needle in err and len(err.strip().split("\n")) == 1
