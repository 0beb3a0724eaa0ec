"""Proxies of many architectures, and of one by the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from nas.base.errors import NasError
from nas.cli.app import app
from nas.data import ImageData, load_data
from nas.jobs.proxies import proxy_table
from nas.predicting.proxy import NotDefined, open_proxy
from nas.predicting.proxy_scores import ProxyScorer, score_rows
from nas.predicting.untrained import Untrained
from nas.supernet import Space, Task, open_space
from predictors.proxies.counts import Products
from predictors.proxies.watching import Watch

NAMES = ["params", "synflow", "naswot", "jacob-cov", "macs"]
FILE = f"{Path(__file__).parent / 'proxy_space.py'}:Small"


@pytest.fixture(scope="module")
def space() -> Space:
    return open_space(FILE)


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", resolution=8)


def rows_of(space: Space, act: int) -> np.ndarray:
    rows = space.decisions.sample(np.random.default_rng(0), 40)
    rows[:, space.decisions.names.index("act")] = act
    return np.unique(space.decisions.canonical(rows), axis=0)


class Counting:
    """A reporter that remembers what was done."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.total = 0

    def start(self, title: str, total: int, done: int = 0) -> None:
        self.total = total

    def advance(self, done: int, note: str = "") -> None:
        self.done.append(done)

    def finish(self) -> None:
        pass

    def say(self, text: str) -> None:
        pass


def test_scores_depend_on_the_row_alone(space: Space, data: ImageData) -> None:
    rows = rows_of(space, 1)
    scores = score_rows(space, rows, NAMES, data, batch=16, seed=4)
    assert scores.shape == (len(rows), len(NAMES)) and np.isfinite(scores).all()
    assert len(np.unique(scores[:, 1])) == len(rows)
    assert np.array_equal(score_rows(space, rows[::-1], NAMES, data, 16, 4), scores[::-1])
    assert not np.array_equal(score_rows(space, rows, NAMES, data, 16, 5)[:, 1:4], scores[:, 1:4])


def test_a_row_is_scored_once(space: Space, data: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer, rows, reporter = ProxyScorer(space, ["snip"], data, 8), rows_of(space, 1)[:3], Counting()
    first = scorer(rows, reporter)
    assert reporter.total == 3 and reporter.done == [1, 2, 3]
    monkeypatch.setattr(scorer, "of", lambda *_: pytest.fail("scored again"))
    assert np.array_equal(scorer(np.concatenate([rows[2:], rows])), first[[2, 0, 1, 2]])
    assert scorer(rows[:0]).shape == (0, 1)


def test_costs_need_no_network_and_equal_those_of_the_network(
    space: Space, data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer, rows = ProxyScorer(space, ["macs", "params"], data, 8), rows_of(space, 1)
    networks = [scorer.network(row) for row in rows]
    monkeypatch.setattr(scorer, "network", lambda _: pytest.fail("a network was built"))
    expected = [[scorer.of("macs", network), scorer.of("params", network)] for network in networks]
    assert np.array_equal(scorer(rows), expected)


def test_networks_are_initialised_for_their_own_width(space: Space) -> None:
    untrained = Untrained(space, Task(1, 8, 10), seed=2)
    narrow, wide = untrained(np.array([0, 1, 1], dtype=np.uint8)), untrained(np.array([2, 1, 1], dtype=np.uint8))
    for network in (narrow, wide):
        second = network.get_submodule("second")
        limit = (second.in_channels * 9) ** -0.5  # torch's own: uniform within 1 / sqrt(fan-in)
        assert 0.8 * limit < float(second.weight.detach().abs().max()) <= limit
    again = untrained(np.array([0, 1, 1], dtype=np.uint8))
    assert all(torch.equal(a, b) for a, b in zip(narrow.parameters(), again.parameters(), strict=True))


def test_what_is_not_defined_is_no_number(space: Space, data: ImageData) -> None:
    rows = np.concatenate([rows_of(space, 0)[:1], rows_of(space, 1)[:1]])
    scores = score_rows(space, rows, ["naswot", "params"], data, 8)
    assert np.isnan(scores[0, 0]) and np.isfinite(scores[1, 0]) and np.isfinite(scores[:, 1]).all()
    with pytest.raises(NotDefined, match=r"no ReLU.*fit such a network: params"):
        score_rows(space, rows[:1], ["naswot", "params"], data, 8)


def test_mistakes_are_told(space: Space, data: ImageData) -> None:
    with pytest.raises(NasError, match="legal: 2 to"):
        ProxyScorer(space, ["snip"], data, 1)
    with pytest.raises(NasError, match="nas proxies"):
        ProxyScorer(space, [], data)
    with pytest.raises(NasError, match="snip"):
        ProxyScorer(space, ["snap"], data)


def test_a_space_without_a_supernet(data: ImageData) -> None:
    space = open_space("einspace")
    at = space.at(Task(1, 8, 10))
    rows = at.decisions.canonical(at.decisions.sample(np.random.default_rng(1), 2))
    scores = score_rows(space, rows, ["synflow", "params"], data, 8)
    assert scores.shape == (2, 2) and np.isfinite(scores[:, 1]).all()
    assert scores[0, 1] == open_proxy("params")().score(
        Untrained(space, Task(1, 8, 10))(rows[0]), torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.long), torch.Generator()
    )


def test_the_command_scores_by_all_that_apply() -> None:
    found = CliRunner().invoke(app, ["proxy", FILE, "--batch", "8", "--resolution", "8", "--json"])
    assert found.exit_code == 0, found.output
    result = json.loads(found.stdout)
    assert result["name"] == "ours" and set(result["left_out"]) >= {"hidden-covariance", "softmax-confidence"}
    scores = {row["name"]: row["score"] for row in result["proxies"]}
    assert {"naswot", "zen", "zico", "grasp"} <= set(scores) and all(row["seconds"] >= 0 for row in result["proxies"])
    shown = CliRunner().invoke(app, ["proxy", FILE, "--batch", "8", "--resolution", "8", "--proxy", "naswot"])
    assert shown.exit_code == 0 and f"{scores['naswot']:.6g}" in shown.stdout and "nas search" in shown.stdout


def test_an_architecture_as_json_or_in_a_file(space: Space, tmp_path: Path) -> None:
    chosen = {"width": 16, "kernel": 5, "act": "gelu"}
    (tmp_path / "winner.json").write_text(json.dumps({"architecture": chosen}))
    results = [
        proxy_table(space, asked, ["params"], batch=8, resolution=8)
        for asked in (json.dumps(chosen), f"@{tmp_path}/winner.json")
    ]
    assert results[0]["architecture"]["decisions"] == results[1]["architecture"]["decisions"] == chosen
    for asked, said in (("{", "no JSON"), ("@nowhere.json", "does not exist"), ("our", "ours"), ('{"width": 5}', "width")):
        with pytest.raises(NasError, match=said):
            proxy_table(space, asked, ["params"], batch=8, resolution=8)
    with pytest.raises(NotDefined, match="no ReLU"):
        proxy_table(space, json.dumps(chosen), ["naswot"], batch=8, resolution=8)


def test_the_list_of_proxies() -> None:
    found = CliRunner().invoke(app, ["proxies", "--json"])
    listed = {row["name"]: row["source"] for row in json.loads(found.stdout)["proxies"]}
    assert "Tanaka" in listed["synflow"]


@pytest.mark.parametrize("mode", [Watch, Products])
def test_seeing_operators_does_not_import_the_compiler(mode: type) -> None:
    # torch wraps the modes that are to hide from its compiler, and the wrapper imports it at the first operator.
    assert not hasattr(mode.__dict__["__torch_dispatch__"], "__wrapped__")
