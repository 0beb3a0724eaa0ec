"""Every predictor and every zero-cost proxy from the command line, on a space of each of three families.

A new one is tested without a line here; a predictor that would take long has a setting below.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nas.base.plugins import installed
from nas.cli.app import app

SPACES = ("mbconv", "cells:darts", "vit:resnas-tiny")

EVALUATIONS = 24

SHORT = {
    "autobuild": "steps=20",
    "gcn": "steps=10",
    "gin": "epochs=4",
    "mlp": "epochs=20",
    "mlp-ensemble": "epochs=5",
    "ridge-svr": "largest=3",
}


def run(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A run of each space whose evaluations cost little: the norm of untrained weights."""
    found = {}
    for space in SPACES:
        found[space] = str(tmp_path_factory.mktemp("searches") / "run")
        asked = ["--objective", "l2", "--strategy", "random", "--evaluations", str(EVALUATIONS), "--resolution", "32"]
        run("search", "--space", space, *asked, "--out", found[space])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("predictor", sorted(installed("predictors")))
def test_a_predictor_is_fitted_kept_and_searched(predictor: str, space: str, searches: dict[str, str], tmp_path: Path) -> None:
    file = str(tmp_path / "fitted.safetensors")
    settings = ["--set", SHORT[predictor]] if predictor in SHORT else []
    words = ["--predictor", predictor, "--metric", "l2", "--folds", "2", "--out", file]
    told = run("predictor", "fit", searches[space], *words, *settings)
    assert told["predictor"] == predictor
    assert -1 <= told["quality"]["kendall_tau"] <= 1
    words = ["--evaluate", file, "--objective", "l2:max", "--strategy", "random", "--evaluations", "5"]
    found = run("search", "--space", space, *words, "--out", str(tmp_path / "run"))
    assert found["search"]["evaluations"] == 5


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES)
def test_every_proxy_gives_a_score_or_a_reason(space: str) -> None:
    told = run("proxy", space, "--batch", "8", "--resolution", "32")
    scored = {one["name"] for one in told["proxies"]}
    assert scored | set(told["left_out"]) == set(installed("proxies"))
    assert not scored & set(told["left_out"])
    assert all(told["left_out"].values())
    assert {"params", "macs", "l2", "snip", "grad-norm", "fisher", "jacob-cov"} <= scored
    assert ("attention-confidence" in scored) == space.startswith("vit")
    assert "naswot" in scored  # each has a ReLU somewhere
