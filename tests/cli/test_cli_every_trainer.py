"""Every trainer from the command line, on two families: trained, searched, exported.

A new trainer needs a line in `PAIRS`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nas.base.plugins import installed
from nas.cli.app import app

NESTED = ("cells:nats-size", "mbconv:ofa")
OPERATORS = ("cells:nas-bench-201", "mbconv:fbnet")

PAIRS: dict[str, tuple[tuple[str, str], tuple[str, ...]]] = {
    "alphanet": (NESTED, ()),
    "attentive": (NESTED, ("size_sample=200",)),
    "blockwise": (
        ("cells:nats-size", "mbconv:bossnas"),
        ("hidden=32", "projected=16", "rating_images=8", "rating=evolution", "population=3", "generations=1"),
    ),
    "darts": (OPERATORS, ()),
    "delayed-shrinking": (NESTED, ()),
    "fair": (OPERATORS, ()),
    "fair-darts": (OPERATORS, ("threshold=0.3",)),
    "flops-binned": (OPERATORS, ()),
    "multi-arch": (("cells:nats-size", "vit:resnas-tiny"), ("examples_per_arch=2",)),
    "pc-darts": (OPERATORS, ()),
    "progressive-shrinking": (NESTED, ()),
    "proxyless": (OPERATORS, ("warmup_epochs=0", "frozen_epochs=0", "architecture_every=1")),
    "rc-darts": (OPERATORS, ("upper=1e9", "project_every=2")),
    "sandwich": (NESTED, ()),
    "single-path": (("cells:nats-size", "mbconv:single-path"), ("metric=macs", "others=largest")),
    "sorted": (NESTED, ()),
    "uniform": (OPERATORS, ()),
}
"""Trainer -> a space of each of two families, and settings without which it does not fit them or takes long."""


def run(*arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.stderr
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_no_trainer_is_forgotten() -> None:
    assert set(PAIRS) == set(installed("trainers"))
    assert all(first.split(":")[0] != second.split(":")[0] for (first, second), _ in PAIRS.values())


@pytest.mark.slow
@pytest.mark.parametrize("family", [0, 1])
@pytest.mark.parametrize("trainer", sorted(PAIRS))
def test_a_trainer_leaves_a_supernet_that_a_search_takes(trainer: str, family: int, tmp_path: Path) -> None:
    spaces, settings = PAIRS[trainer]
    space, supernet, found = spaces[family], tmp_path / "supernet", tmp_path / "found"
    figures = [word for setting in ("batch_size=4", *settings) for word in ("--set", setting)]
    steps = ["--steps", "8", "--resolution", "32"]
    told = run("train", "--space", space, "--trainer", trainer, *steps, *figures, "--out", str(supernet))
    assert told["training"]["trainer"] == trainer  # type: ignore[index]
    few = ["--evaluations", "2", "--validation-images", "16", "--calibration-images", "8"]
    result = run("search", "--supernet", str(supernet), "--space", space, *few, "--out", str(found))
    assert result["search"]["strategy"] == ("derived" if told["derived"] else "evolution")  # type: ignore[index]
    assert (found / "model.onnx").exists()
