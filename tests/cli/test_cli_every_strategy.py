"""Every strategy from the command line, on a space of each of three families.

A new strategy is tested without a line here; one that needs a setting to be short, or a target, has it below.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nas.cli.app import app
from nas.searching import strategy_names
from nas.supernet import open_space

SPACES = {"mbconv": "uniform", "cells:nas-bench-201": "darts", "vit:resnas-tiny": "uniform"}
"""Space -> the trainer of its supernet; `darts` leaves an architecture, without which there is nothing to derive."""

EVALUATIONS = 16

SHORT = {
    "aging": ("population=6", "sample=3"),
    "bananas": ("settings=epochs=10,folds=0",),
    "coarse-to-fine": ("skeletons=8",),
    "deepmad": ("candidates=2000",),
    "early-exit": ("population=6",),
    "evolution": ("population=8",),
    "linas": ("population=8", "inner=400"),
    "npenas": ("settings=epochs=10,held_out=0",),
    "nsga2": ("population=8",),
    "nsga3": ("population=8",),
    "optuna:nsga2": ("population=8",),
    "optuna:nsga3": ("population=8",),
    "predictor": ("generations=20",),
}
"""Settings with which so few evaluations pass through every phase."""

REFUSED = {
    ("deepmad", "cells:nas-bench-201"): "deepmad",
    ("deepmad", "vit:resnas-tiny"): "deepmad",
    ("derived", "mbconv"): "derived",
    ("derived", "vit:resnas-tiny"): "derived",
}
"""What a strategy cannot do, which it says."""


@pytest.fixture(scope="module")
def supernets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for space, trainer in SPACES.items():
        found[space] = tmp_path_factory.mktemp("supernets") / trainer
        words = ["train", "--space", space, "--trainer", trainer, "--steps", "4", "--resolution", "32"]
        told = CliRunner().invoke(app, [*words, "--set", "batch_size=4", "--out", str(found[space]), "--json"])
        assert told.exit_code == 0, told.stderr
    return found


def bound(space: str) -> str:
    """A target that half of all architectures keep."""
    opened = open_space(space)
    rows = opened.decisions.sample(np.random.default_rng(0), 200)
    return f"params<={int(np.median(opened.cost('params', rows)))}"


@pytest.mark.slow
@pytest.mark.usefixtures("without_onnx")
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("strategy", strategy_names())
def test_a_strategy_searches_a_supernet(strategy: str, space: str, supernets: dict[str, Path], tmp_path: Path) -> None:
    if strategy == "optuna:cmaes" and not importlib.util.find_spec("cmaes"):
        pytest.skip("the package cmaes is not installed")
    words = ["search", "--space", space, "--supernet", str(supernets[space]), "--strategy", strategy]
    words += ["--evaluations", str(EVALUATIONS), "--validation-images", "16", "--calibration-images", "8"]
    words += ["--out", str(tmp_path / "run"), "--json"]
    words += [word for setting in SHORT.get(strategy, ()) for word in ("--strategy-set", setting)]
    words += ["--target", bound(space)] if strategy == "early-exit" else []
    result = CliRunner().invoke(app, words)
    if (strategy, space) in REFUSED:
        assert result.exit_code == 2
        assert REFUSED[strategy, space] in result.stderr
        return
    assert result.exit_code == 0, result.stderr
    search = json.loads(result.stdout)["search"]
    assert search["strategy"] == strategy
    assert search["failures"] == 0
    if strategy == "hyperband":
        # Sixteen are paid for, and spent on more with fewer images each.
        assert search["evaluations"] > EVALUATIONS
    else:
        assert search["evaluations"] == (1 if strategy in ("derived", "deepmad") else EVALUATIONS)
