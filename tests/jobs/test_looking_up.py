"""Searches of a table of results: no training, a winner, a front, and going on after an interruption."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import nas
from nas.base.errors import NasError
from nas.cli.app import app
from nas.jobs import looking_up
from nas.runs import RunFolder
from nas.searching import StudyHistory
from nas.supernet import Space, open_space
from nas.training import Ranks

OPERATORS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


@pytest.fixture(scope="module")
def space() -> Space:
    return open_space("cells:nas-bench-201")


def top1(row: np.ndarray) -> float:
    return float(50 + 5 * (row == 3).sum() + row.sum() / 10)


@pytest.fixture(scope="module")
def table(space: Space, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every cell whose first edge is a convolution of 3 x 3: a fifth of the space."""
    lines = ["architecture,top1,energy"]
    for codes in itertools.product(range(5), repeat=5):
        a, b, c, d, e, f = (OPERATORS[code] for code in (3, *codes))
        cell = f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
        row = space.encode([space.parse(cell)])[0]
        lines.append(f"{cell},{top1(row)},{row.sum()}")
    path = tmp_path_factory.mktemp("results") / "results.csv"
    path.write_text("\n".join(lines))
    return path


def test_several_processes_make_no_run_each(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking_up, "current_ranks", lambda: Ranks(0, 2))
    with pytest.raises(NasError, match="trains nothing, and several processes are for training; leave out --devices"):
        nas.search("cells:nas-bench-201", evaluate=table, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_winner_is_the_best_that_the_table_was_asked_for(table: Path, space: Space, tmp_path: Path) -> None:
    run = nas.search("cells:nas-bench-201", evaluate=table, evaluations=60, out=tmp_path / "run", strategy="random")
    trials = StudyHistory(RunFolder(run.path).study, "search", space).trials
    done = [trial for trial in trials if trial.failure is None]
    assert len(trials) == 60 > len(done) > 5
    assert all("is not among" in str(trial.failure) for trial in trials if trial.failure)
    assert run.results["winner"]["validation"]["top1"] == max(trial.metrics["top1"] for trial in done)
    assert run.results["search"]["failures"] == 60 - len(done)
    assert run.winner == space.validate(run.results["winner"]["architecture"])
    assert "results.csv" in (run.path / "README.md").read_text()
    with pytest.raises(NasError, match="trained nothing"):
        run.network()
    with pytest.raises(NasError, match="trained nothing"):
        nas.export(run.path)


def test_it_goes_on_after_an_interruption(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"evaluate": table, "evaluations": 30, "strategy": "aging", "strategy_options": {"population": 10, "sample": 5}}
    whole = nas.search("cells:nas-bench-201", out=tmp_path / "whole", **options)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(looking_up, "lookup_figures", killed)
        with pytest.raises(KeyboardInterrupt):
            nas.search("cells:nas-bench-201", out=tmp_path / "killed", **options)
    resumed = nas.resume(tmp_path / "killed")
    assert resumed.results["winner"] == whole.results["winner"]
    assert resumed.results["search"]["options"] == {"population": 10, "sample": 5}
    assert nas.resume(tmp_path / "killed").results == resumed.results


def test_several_objectives_on_the_command_line(table: Path, tmp_path: Path) -> None:
    command = ["search", "--space", "cells:nas-bench-201", "--evaluate", str(table), "--evaluations", "80", "--json"]
    command += ["--objective", "top1", "--objective", "energy:min", "--objective", "macs", "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, [*command, "--strategy", "nsga2", "--strategy-set", "population=20"])
    assert done.exit_code == 0, done.stderr
    results = json.loads(done.stdout)
    assert [one["name"] for one in results["objectives"]] == ["top1", "energy", "macs"]
    front = [(n["validation"]["top1"], -n["validation"]["energy"], -n["costs"]["macs"]) for n in results["front"]]
    assert len(front) > 1
    for one, other in itertools.permutations(front, 2):
        assert not all(a >= b for a, b in zip(one, other, strict=True))
    assert results["winner"]["architecture"] in [network["architecture"] for network in results["front"]]
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "run")])
    assert shown.exit_code == 0, shown.stderr
    assert "energy" in shown.stdout
    macs = sorted(network["costs"]["macs"] for network in results["front"])
    chosen = nas.show(tmp_path / "run", targets=[f"macs<={macs[1]:.12g}"])["architecture"]
    under = [network for network in results["front"] if network["costs"]["macs"] <= macs[1]]
    assert chosen == max(under, key=lambda network: network["validation"]["top1"])["architecture"]
    with pytest.raises(NasError, match=r"no network of this front keeps macs <= 1; its lowest: macs"):
        nas.show(tmp_path / "run", targets=["macs<=1"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objectives": ("macs",)}, "macs need no evaluation, only to be computed; name what an evaluation finds"),
        ({"objectives": ("top1", "top1")}, "objective 'top1' is given twice"),
        ({"objectives": ("energy",)}, r"--objective energy:max, or --objective energy:min"),
        ({"objectives": ("enrgy:min",)}, r"unknown objective 'enrgy'; legal: top1, energy, macs"),
        ({"reward": "tunas"}, r"give its target, such as --target macs=300M"),
        (
            {"reward": "tunas", "objectives": ("top1",), "targets": ("macs<=50M",)},
            "leave out --objective, or leave out --reward",
        ),
        ({"steps": 5}, "--evaluate looks results up and trains nothing; leave out --steps"),
        ({"strategy": "hyperband"}, "one result for each architecture"),
        ({"strategy": "aging", "strategy_options": {"size": 3}}, "unknown option of strategy 'aging' 'size'"),
        ({"strategy_options": {"size": 3}}, "changes a strategy that is named with --strategy"),
        ({"evaluate": "missing.csv"}, r"missing\.csv cannot be read"),
    ],
)
def test_mistakes_are_explained(table: Path, tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(NasError, match=message):
        nas.search("cells:nas-bench-201", **{"evaluate": table, "evaluations": 5, "out": tmp_path / "run", **options})


def test_a_reward_weighs_instead_of_bounding(table: Path, tmp_path: Path) -> None:
    run = nas.search(
        "cells:nas-bench-201",
        ["macs=10M"],
        evaluate=table,
        evaluations=20,
        out=tmp_path / "run",
        reward="tunas:-0.01",
        strategy="random",
    )
    winner = run.results["winner"]
    assert winner["costs"]["macs"] > 10e6
    assert winner["validation"]["tunas"] == pytest.approx(
        winner["validation"]["top1"] - abs(winner["costs"]["macs"] / 10e6 - 1), abs=1e-6
    )
    assert "tunas" in (run.path / "README.md").read_text()
