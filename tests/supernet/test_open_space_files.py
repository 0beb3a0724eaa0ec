"""Spaces in files of one's own: every form that is found, and every mistake that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.base.errors import NasError
from nas.supernet import Space, open_space
from nas.supernet.family import full_name, origin_of

SOURCE = """
import torch
from torch import nn

import nas
from nas.elastic import ElasticConv2d, ElasticLinear


class Plain(nn.Module):
    '''A convolution of searched width.'''

    task = nas.Task(3, 16, 10)
    known = {"narrow": {"width": 4}}

    def __init__(self, task: nas.Task):
        super().__init__()
        width = nas.Choice("width", (4, 8))
        self.conv = ElasticConv2d(task.channels, width, 3)
        self.head = ElasticLinear(width, task.classes)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))


class Broken(Plain):
    def __init__(self, task: nas.Task):
        super().__init__(task)
        self.head = ElasticLinear(7, task.classes)


class Crashing(Plain):
    def __init__(self, task: nas.Task):
        super().__init__(task)
        self.head = {}["head"]


def made() -> nas.Space:
    return nas.Space("mine", Plain, task=Plain.task)


def wrong():
    return 3


SPACE = made()
FAMILY = nas.Family({"one": made, "two": lambda: nas.Space("two", Plain, task=Plain.task)}, "one", "my family")
NUMBER = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_space.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize(
    ("name", "found"),
    [("Plain", "my_space:Plain"), ("made", "mine"), ("SPACE", "mine"), ("FAMILY", "mine"), ("FAMILY:two", "two")],
)
def test_every_form(file: Path, name: str, found: str) -> None:
    space = open_space(f"{file}:{name}")
    assert (space.name, space.size) == (found, 2)
    assert open_space(f"{file}:{name}") is space


def test_a_class_says_its_task_and_known_networks(file: Path) -> None:
    space = open_space(f"{file}:Plain")
    assert space.task.resolution == 16
    assert space.known["narrow"]["width"] == 4
    assert space.summary == "A convolution of searched width."


def test_a_file_is_named_by_its_whole_path(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    space = open_space("my_space.py:Plain")
    assert full_name("my_space.py:Plain") == origin_of(space) == f"{file.resolve()}:Plain"
    assert full_name("mbconv:ofa") == "mbconv:ofa"
    assert origin_of(open_space("mbconv")) == "mbconv"
    assert origin_of(Space("mine", space.build, task=space.task)) is None


def test_a_file_that_changes_is_read_again(file: Path) -> None:
    before = open_space(f"{file}:SPACE")
    file.write_text(SOURCE.replace("(4, 8)", "(4, 8, 16)"))
    import os

    os.utime(file, ns=(1, 1))
    assert (before.size, open_space(f"{file}:SPACE").size) == (2, 3)


def test_what_lies_beside_the_file_can_be_imported(file: Path) -> None:
    (file.parent / "beside_my_space.py").write_text("WIDTHS = (2, 4, 6)\n")
    file.write_text(
        "from beside_my_space import WIDTHS\n" + SOURCE.replace("(4, 8)", "WIDTHS").replace('"width": 4', '"width": 6')
    )
    assert open_space(f"{file}:SPACE").size == 3


@pytest.mark.parametrize(
    ("name", "needles"),
    [
        ("my_space.py:Plan", ["'Plan'", "Did you mean 'Plain'"]),
        ("my_space.py", ["after a colon", "my_space.py:Plain"]),
        ("my_space.py:", ["after a colon"]),
        ("my_space.py:NUMBER", ["is of type int", "nn.Module class"]),
        ("my_space.py:wrong", ["returns an object of type int"]),
        ("my_space.py:FAMILY:three", ["preset", "one, two"]),
        ("no_space.py:Plain", ["not found", "no_space.py"]),
        ("my_space.py:Broken", ["features that arrive", "my_space.py:22"]),
        ("my_space.py:Crashing", ["KeyError", "my_space.py:34"]),
    ],
)
def test_mistakes(file: Path, name: str, needles: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    with pytest.raises(NasError) as told:
        open_space(name)
    for needle in needles:
        assert needle in str(told.value)


@pytest.mark.parametrize(
    ("source", "kind"), [("x = 1\nimport nonsense_module\n", "ModuleNotFoundError"), ("x = 1\ndef (:\n", "SyntaxError")]
)
def test_a_file_that_fails_names_its_line(file: Path, source: str, kind: str) -> None:
    file.write_text(source)
    with pytest.raises(NasError, match=rf"fails at my_space.py:2: {kind}"):
        open_space(f"{file}:Plain")
