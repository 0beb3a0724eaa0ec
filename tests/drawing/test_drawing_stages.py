"""A whole space as a table: every decision once, every multiply-add once, ranges that hold."""

from __future__ import annotations

import re

import numpy as np
import pytest
from toy_spaces import branching, plain

from nas.drawing import stages
from nas.supernet import Space


def test_stages_of_a_plain_space() -> None:
    found = stages(plain())
    assert [(stage.path, stage.kind, stage.blocks) for stage in found] == [
        ("stem", "conv2d", 1),
        ("blocks.0-3", "Block", 4),
        ("-", "pool", 1),
        ("head", "linear", 1),
    ]
    assert [stage.decisions for stage in found] == [
        {"width": [16, 24, 32]},
        {"depth": [2, 3, 4], "kernel1-4": [3, 5]},
        {},
        {},
    ]
    assert [stage.settings for stage in found] == [{"kernel": [3]}, {"kernel": [3, 5]}, {}, {}]
    assert found[1].output == [(16, 32), (8, 8), (8, 8)]
    assert found[-1].output == [(10, 10)]


def test_candidates_stand_together() -> None:
    found = {stage.path: stage for stage in stages(branching())}
    assert found["pick"].kind == "MaxPool2d | UnitBlock"
    assert found["pick"].decisions == {"operator": ["pool", "unit"]}
    assert found["pick"].settings == {"kernel": [5]}
    assert found["maybe"].decisions == {"maybe": [False, True]}
    assert found["maybe"].settings == {"kernel": [3], "act": ["relu"]}
    assert found["right.0-1"].blocks == 2


@pytest.mark.parametrize("name", ["plain", "branching", "mbconv"])
def test_nothing_is_lost(name: str, request: pytest.FixtureRequest) -> None:
    spaces = {"plain": plain, "branching": branching}
    space: Space = spaces[name]() if name in spaces else request.getfixturevalue("mbconv")
    found = stages(space)
    assert sum(stage.macs for stage in found) == space.cost("macs", space.largest)
    assert sum(stage.params for stage in found) == space.cost("params", space.largest)
    told = [decision for stage in found for decision in stage.decisions]
    names = []
    for decision in told:
        span = re.search(r"(\d+)-(\d+)", decision)
        numbers = range(int(span[1]), int(span[2]) + 1) if span else [""]
        names += [decision.replace(span[0], str(number)) if span else decision for number in numbers]
    assert sorted(names) == sorted(space.decisions.names)


def test_the_table_of_mbconv(mbconv: Space) -> None:
    found = stages(mbconv)
    third = next(stage for stage in found if stage.path == "layers.1-3")
    assert third.settings == {"kernel": [3, 5], "expand": [3, 6], "act": ["relu"]}
    assert third.decisions == {"layer2-4": ["skip", "k3e3", "k5e3", "k3e6", "k5e6"]}
    assert third.output == [(24, 24), (56, 56), (56, 56)]
    rows = np.concatenate([stage.output for stage in found])
    assert (rows[:, 0] <= rows[:, 1]).all()
