"""Comparing strategies on a table: figures by hand, nothing done twice, several processes, and every mistake."""

from __future__ import annotations

import csv
import json
import multiprocessing
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from result_tables import write_results
from typer.testing import CliRunner

from nas.base.errors import NasError
from nas.cli.app import app
from nas.jobs import bench_figures, benching, comparison
from nas.jobs.benching import bench
from nas.searching import Problem
from nas.searching.benchmarks import Benchmark, Contestant, Searched, compete
from nas.supernet import open_space

OWN = """
import torch
from torch import nn
import nas
from nas.elastic import ElasticConv2d, ElasticLinear

class Tiny(nn.Module):
    task = nas.Task(3, 8, 4)

    def __init__(self, task):
        super().__init__()
        sizes = (4, 8, 12, 16, 20, 24)
        first, second, kernel = nas.Choice("first", sizes), nas.Choice("second", sizes), nas.Choice("kernel", (1, 3, 5))
        self.stem = ElasticConv2d(task.channels, first, 3)
        self.middle = ElasticConv2d(first, second, kernel)
        self.head = ElasticLinear(second, task.classes)

    def forward(self, images):
        return self.head(torch.relu(self.middle(torch.relu(self.stem(images)))).mean((2, 3)))
"""
STRATEGIES = ("random", "aging:population=5:sample=2")


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> str:
    """108 architectures."""
    path = tmp_path_factory.mktemp("spaces") / "tiny.py"
    path.write_text(OWN)
    return f"{path}:Tiny"


@pytest.fixture(scope="module")
def table(space: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, with figures that depend on every decision."""
    opened = open_space(space)
    rows = np.array(list(product(range(6), range(6), range(3))), dtype=np.uint8)
    weights = np.random.default_rng(1).random(3)
    columns = {"top1": lambda row: round(70 + row @ weights, 4), "latency": lambda row: 1 + row.sum()}
    return write_results(tmp_path_factory.mktemp("tables") / "sizes.csv", opened, rows, columns)


def run(space: str, table: Path, out: Path, **options: object) -> dict[str, object]:
    given = {"strategies": STRATEGIES, "evaluations": 30, "seeds": 3, **options}
    return bench(space, [f"{table}:top1", f"{table}:latency:min"], out=out, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(space: str, table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bench") / "whole"
    run(space, table, out)
    return out


def without_times(folder: Path) -> dict[str, list[dict[str, object]]]:
    found = {}
    for path in sorted((folder / "searches").iterdir()):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found[path.name] = sorted(({**line, "seconds": None} for line in lines), key=lambda line: line.get("seed", -1))
    return found


def test_a_search_is_told_by_its_improvements() -> None:
    searched = Searched(0, ((2, 5.0), (4, 7.0)), 5, 0.1)
    assert searched.curve(6).tolist() == [-np.inf, 5.0, 5.0, 7.0, 7.0, 7.0]


def test_figures_are_those_of_the_searches() -> None:
    space = open_space("cells:nats-size")
    benchmark = Benchmark("toy", Problem(space.decisions), lambda rows: rows.sum(axis=1).astype(float), 9.0)
    searches = [Searched(0, ((1, 4.0), (3, 9.0)), 3, 0.3), Searched(1, ((1, 6.0),), 4, 0.4)]
    figures = bench_figures.contest_figures(benchmark, "made up", searches, [1, 4])
    assert figures["found"] == 0.5
    assert figures["ms_an_evaluation"] == pytest.approx(100)
    first, last = figures["after"]
    assert (first["mean"], last["mean"]) == (5.0, 7.5)
    assert last["standard_error"] == pytest.approx(1.5)
    assert (last["q25"], last["median"], last["q75"]) == (6.75, 7.5, 8.25)
    assert last["mean_regret"] == 1.5


def test_a_search_ends_with_the_best_and_asks_for_nothing_twice() -> None:
    space = open_space("cells:nats-size")
    asked: list[bytes] = []

    def look_up(rows: np.ndarray) -> np.ndarray:
        asked.extend(row.tobytes() for row in rows)
        return rows[:, 0].astype(float)

    best = float(len(space.decisions.choices[0].options) - 1)
    searched = compete(Benchmark("toy", Problem(space.decisions), look_up, best), Contestant("random", "random"), 0, 500)
    assert searched.improvements[-1][1] == best
    assert searched.evaluations == len(asked) == len(set(asked)) < 500


def test_figures_curves_and_plot_are_written_and_agree(whole: Path) -> None:
    figures = json.loads((whole / "results.json").read_text())
    assert [(one["table"], one["strategy"]) for one in figures["contests"]] == [
        (name, label) for name in ("sizes:top1", "sizes:latency") for label in STRATEGIES
    ]
    with (whole / "curves.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 4 * 30
    for one in figures["contests"]:
        own = [line for line in lines if (line["table"], line["strategy"]) == (one["table"], one["strategy"])]
        ends = [one["after"][-1]["mean"], one["after"][-1]["mean_regret"]]
        assert [float(own[-1]["mean"]), float(own[-1]["mean_regret"])] == pytest.approx(ends, rel=1e-4)
        better = np.diff([float(line["mean"]) for line in own if line["mean"]]) * (1 if "top1" in one["table"] else -1)
        assert (better >= 0).all()
        assert better.max() > 0
    assert (whole / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_stopped_comparison_goes_on_and_equals_the_uninterrupted_one(
    space: str, whole: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []

    def dying(*given: object) -> Searched:
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(1)
        return compete(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as broken:
        broken.setattr(comparison, "compete", dying)
        with pytest.raises(KeyboardInterrupt):
            run(space, table, tmp_path / "bench")
    (victim, *_) = sorted((tmp_path / "bench" / "searches").iterdir())
    with victim.open("ab") as file:
        file.write(b'{"seed": 9, "impro')  # the beginning of a line, as a kill leaves it
    again: list[int] = []
    monkeypatch.setattr(comparison, "compete", lambda *given: (again.append(1), compete(*given))[1])
    run(space, table, tmp_path / "bench")
    assert len(again) == 12 - 5
    assert without_times(tmp_path / "bench") == without_times(whole)


def test_more_seeds_add_what_is_missing(space: str, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(space, table, tmp_path / "bench", seeds=2)
    searched: list[int] = []
    monkeypatch.setattr(comparison, "compete", lambda *given: (searched.append(given[2]), compete(*given))[1])
    run(space, table, tmp_path / "bench", seeds=3)
    assert searched == [2, 2, 2, 2]


@pytest.mark.slow
def test_several_processes_find_the_same(space: str, whole: Path, table: Path, tmp_path: Path) -> None:
    other = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,))
    other.start()
    try:
        run(space, table, tmp_path / "bench", processes=2)
        assert other.is_alive(), "a process of somebody else is left alone"
    finally:
        other.terminate()
    assert without_times(tmp_path / "bench") == without_times(whole)


def test_without_matplotlib_the_rest_is_there(space: str, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    figures = run(space, table, tmp_path / "bench", seeds=1)
    assert figures["plot"] is None
    assert "nas-toolkit[draw]" in str(figures["note"])
    assert (tmp_path / "bench" / "curves.csv").exists()
    assert not (tmp_path / "bench" / "curves.png").exists()


def test_other_settings_in_the_same_folder_are_refused(space: str, whole: Path, table: Path) -> None:
    with pytest.raises(NasError, match=r"other settings \(evaluations 30, not 31\)"):
        run(space, table, whole, evaluations=31)


def test_targets_bound_what_is_proposed_and_what_is_best(space: str, table: Path, tmp_path: Path) -> None:
    free = run(space, table, tmp_path / "free", seeds=1)
    bounded = run(space, table, tmp_path / "bounded", seeds=1, targets=["params<=1500"])
    assert bounded["best"]["sizes:top1"] < free["best"]["sizes:top1"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "needle"),
    [
        ([], "--table FILE.csv:COLUMN"),
        (["--table", "nowhere.csv"], "nowhere.csv"),
        (["--table", "results.txt"], "FILE.csv:COLUMN"),
        (["--table", "{table}:top2"], "top1"),
        (["--table", "{table}:latency:least"], "direction"),
        (["--table", "{table}:top1", "--strategies", "randm"], "Did you mean 'random'"),
        (["--table", "{table}:top1", "--strategies", "aging:size=3"], "population"),
        (["--table", "{table}:top1", "--strategies", "random,random"], "twice"),
        (["--table", "{table}:top1", "--strategies", "hyperband"], "parts of evaluations"),
        (["--table", "{table}:top1", "--seeds", "0"], "--seeds"),
        (["--table", "{table}:top1", "--at", "10,500"], "--at"),
        (["--table", "{table}:top1", "--at", "ten"], "--at"),
        (["--table", "{table}:top1", "--table", "{table}:top1"], "two tables"),
    ],
)
def test_mistakes_end_with_one_line(arguments: list[str], needle: str, space: str, table: Path, tmp_path: Path) -> None:
    words = [word.format(table=table) for word in arguments]
    command = ["bench", "--space", space, "--evaluations", "20", "--seeds", "1", "-o", str(tmp_path / "bench"), *words]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2, result.output
    assert needle in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_command_prints_a_table_for_each_table(space: str, table: Path, tmp_path: Path) -> None:
    command = ["bench", "--space", space, "--table", f"{table}:top1", "--strategies", "random,local", "--evaluations", "20"]
    result = CliRunner().invoke(app, [*command, "--seeds", "2", "--at", "5,10", "-o", str(tmp_path / "bench")])
    assert result.exit_code == 0, result.output
    for needle in ("sizes:top1", "random", "local", "after 5", "after 10", "after 20", "regret", "curves.csv"):
        assert needle in result.stdout


def test_what_is_drawn_is_the_regret(space: str, whole: Path, table: Path) -> None:
    compared = comparison.Comparison(space, (f"{table}:top1",), ("random",), (), 30)
    found = {("sizes:top1", "random"): [compared.run((0, 0, seed)) for seed in range(3)]}
    (panel,) = benching.panels(compared.benchmarks, found, 30)
    assert panel.regret
    values = panel.lines["random"]
    assert values[-1] == json.loads((whole / "results.json").read_text())["contests"][0]["after"][-1]["mean_regret"]
