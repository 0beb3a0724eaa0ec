"""Searches by zero-cost proxies: alone, beside a table, and as filter, warm start and feature; and predictors as evaluators."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from result_tables import SMALL, all_of_small, write_results
from typer.testing import CliRunner

import nas
from nas.base.errors import NasError
from nas.cli.app import app
from nas.jobs.predicting import fit_predictor
from nas.predicting import ProxyScorer
from nas.runs import RunFolder
from nas.searching.study import read_trials
from nas.supernet import Space, open_space

CELLS = "cells:nats-size"
QUICK: dict[str, Any] = {"resolution": 8, "proxy_images": 4, "compute": "cpu"}


@pytest.fixture(scope="module")
def small() -> Space:
    return open_space(SMALL)


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every score of a network that is worked out, by proxy and parameters."""
    found: list[tuple[str, int]] = []
    plain = ProxyScorer.of

    def noting(self: ProxyScorer, name: str, network: Any) -> float:
        found.append((name, id(network)))
        return plain(self, name, network)

    monkeypatch.setattr(ProxyScorer, "of", noting)
    return found


@pytest.fixture(scope="module")
def table(small: Space, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All twelve, the wider the better."""
    width = small.decisions.names.index("width")
    path = tmp_path_factory.mktemp("results") / "results.csv"
    return write_results(path, small, all_of_small(small), {"top1": lambda row: 50 + 10 * row[width] + row.sum()})


def trials(path: Path, space: Space) -> list[Any]:
    return read_trials(RunFolder(path).study, space)


def stopped_at(count: int, scored: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, run: Callable[[], Any]) -> None:
    """Run until so many scores were worked out, then stop as Ctrl-C does."""
    plain = ProxyScorer.of
    begun = len(scored)

    def stopping(self: ProxyScorer, name: str, network: Any) -> float:
        if len(scored) - begun == count:
            raise KeyboardInterrupt
        return plain(self, name, network)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ProxyScorer, "of", stopping)
        run()


def test_a_proxy_alone_needs_no_training(small: Space, tmp_path: Path, scored: list[tuple[str, int]]) -> None:
    out = tmp_path / "run"
    run = nas.search(SMALL, out=out, objectives=("naswot",), evaluations=12, strategy="evolution", **QUICK)
    found = trials(out, small)[:12]
    kinds = {trial.row[small.decisions.names.index("act")] for trial in found if trial.failure}
    assert len(kinds) == 1 and all("it has no ReLU" in trial.failure for trial in found if trial.failure)
    best = max((trial for trial in found if not trial.failure), key=lambda trial: trial.metrics["naswot"])
    assert run.results["winner"]["validation"]["naswot"] == best.metrics["naswot"]
    assert run.results["search"]["failures"] == 6 and len(scored) == 12
    assert not {"checkpoint.safetensors", "supernet", "model.py"} & {path.name for path in out.iterdir()}
    page = (out / "README.md").read_text()
    assert "Nothing was trained" in page and "with 4 images of digits: naswot" in page
    with pytest.raises(NasError, match="trained nothing"):
        run.network()
    least = nas.search(SMALL, out=tmp_path / "min", objectives=("naswot:min",), evaluations=12, strategy="random", **QUICK)
    assert least.results["winner"]["validation"]["naswot"] < best.metrics["naswot"]


def test_a_search_that_was_stopped_scores_nothing_twice(
    small: Space, table: Path, tmp_path: Path, scored: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"objectives": ("top1", "naswot"), "filters": ("synflow:0.5",), "warm_start": "snip:2/6"}
    options |= {"evaluate": table, "strategy": "aging", "strategy_options": {"population": 3, "sample": 2}, "evaluations": 6}
    whole = nas.search(SMALL, out=tmp_path / "whole", **options, **QUICK)
    needed = len(scored)
    assert whole.results["search"]["refused"] > 0
    expected = [(trial.row.tolist(), trial.metrics, trial.failure, trial.fidelity) for trial in trials(whole.path, small)]
    for count in (needed // 2, needed - 1):
        scored.clear()
        out = tmp_path / f"stopped{count}"
        stopped_at(count, scored, monkeypatch, lambda out=out: nas.search(SMALL, out=out, **options, **QUICK))  # type: ignore[misc]
        assert len(scored) == count
        assert nas.resume(out).results["winner"] == whole.results["winner"]
        found = [(trial.row.tolist(), trial.metrics, trial.failure, trial.fidelity) for trial in trials(out, small)]
        assert found == expected
        assert len(scored) == needed
        lines = [json.loads(line) for line in (out / "proxies.jsonl").read_text().splitlines()]
        pairs = [(tuple(line["row"]), name) for line in lines for name in line["scores"]]
        assert len(pairs) == len(set(pairs))


def test_a_line_that_was_cut_off_is_worked_out_again(small: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"objectives": ("synflow",), "evaluations": 6, "strategy": "random"}
    out = tmp_path / "run"
    run = nas.search(SMALL, out=out, **options, **QUICK)
    lines = (out / "proxies.jsonl").read_bytes()
    (out / "results.json").unlink()
    (out / "proxies.jsonl").write_bytes(lines[:-9])
    (out / "study.journal").unlink()
    assert nas.resume(out).results["winner"] == run.results["winner"]
    assert (out / "proxies.jsonl").read_bytes() == lines
    (out / "results.json").unlink()
    (out / "proxies.jsonl").write_text("nonsense\n")
    with pytest.raises(NasError, match=r"proxies.jsonl are damaged"):
        nas.resume(out)


def test_two_proxies_and_a_cost_make_a_front(tmp_path: Path) -> None:
    command = ["search", "--space", SMALL, "--objective", "synflow", "--objective", "macs", "--objective", "snip:min"]
    command += ["--evaluations", "12", "--strategy", "nsga2", "--strategy-set", "population=6", "--resolution", "8"]
    done = CliRunner().invoke(app, [*command, "--proxy-images", "4", "--json", "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.stderr
    results = json.loads(done.stdout)
    assert [(one["name"], one["cheap"]) for one in results["objectives"]] == [("synflow", 0), ("macs", 1), ("snip", 0)]
    front = [(n["validation"]["synflow"], -n["costs"]["macs"], -n["validation"]["snip"]) for n in results["front"]]
    assert len(front) > 1
    for one in front:
        assert not any(other != one and all(a >= b for a, b in zip(other, one, strict=True)) for other in front)
    assert CliRunner().invoke(app, ["show", str(tmp_path / "run")]).exit_code == 0
    again = CliRunner().invoke(app, ["resume", str(tmp_path / "run")])
    assert again.exit_code == 0 and "Nothing was trained" in again.stdout


@pytest.mark.parametrize("strategy", ["predictor", "bananas", "linas"])
def test_a_predictor_sees_proxies(strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nas.searching.strategies import guided

    seen: list[int] = []
    plain = guided.Guided.unfitted

    def noting(self: Any, position: int, column: int = 0) -> Any:
        seen.append(self.encoding.features(self.problem.decisions.smallest()).shape[1])
        return plain(self, position, column)

    monkeypatch.setattr(guided.Guided, "unfitted", noting)
    small: dict[str, Any] = {
        "predictor": {"generations": 3, "population": 10, "batch": 3},
        "bananas": {"candidates": 6, "batch": 3},
    }
    given = {"features": "macs,snip", "predictor": "gp", **small.get(strategy, {"population": 6, "inner": 24})}
    width = int(open_space(SMALL).decisions.cardinalities.sum())
    run = nas.search(
        SMALL, out=tmp_path / "run", objectives=("synflow",), evaluations=12, strategy=strategy, strategy_options=given, **QUICK
    )
    assert set(seen) == {width + 4}
    assert run.results["search"]["proxies"]["features"] == ["macs", "snip"]
    assert "The predictor also saw macs, snip." in (run.path / "README.md").read_text()


def test_a_predictor_stands_in_for_evaluations(small: Space, table: Path, tmp_path: Path) -> None:
    looked_up = nas.search(SMALL, out=tmp_path / "table", evaluate=table, evaluations=12, strategy="random")
    for name, options in {
        "plain": {},
        "proxies": {"proxies": ["synflow", "params"]},
        "one-hot": {"encoding": "one-hot"},
    }.items():
        file = tmp_path / f"{name}.safetensors"
        fitted = fit_predictor(looked_up.path, "gp", file, folds=3, **options)
        assert fitted["next"][0].startswith(f"nas search --space {looked_up.results['space']} --evaluate {file}")
        command = ["search", "--space", SMALL, "--evaluate", str(file), "--evaluations", "12", "--strategy", "random", "--json"]
        done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / name)])
        assert done.exit_code == 0, done.stderr
        winner = json.loads(done.stdout)["winner"]
        assert set(winner["validation"]) == {"top1", "top1_std"}
        assert winner["architecture"] == looked_up.results["winner"]["architecture"]


def test_the_predictor_of_another_space_or_figure(small: Space, table: Path, tmp_path: Path) -> None:
    proxied = nas.search(SMALL, out=tmp_path / "run", objectives=("synflow",), evaluations=12, strategy="random", **QUICK)
    file = tmp_path / "synflow.safetensors"
    fitted = fit_predictor(proxied.path, "gp", file, metric="synflow", folds=3)
    assert "--objective synflow" in fitted["next"][0]
    again = nas.search(
        SMALL, out=tmp_path / "again", evaluate=file, objectives=("synflow:max",), evaluations=5, strategy="random"
    )
    assert set(again.results["winner"]["validation"]) == {"synflow", "synflow_std"}
    done = CliRunner().invoke(app, ["search", "--space", CELLS, "--evaluate", str(file), "--objective", "synflow"])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert f"was fitted to networks of space '{small.name}', and this search is of '{CELLS}'" in done.stderr
    (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:-5])
    with pytest.raises(NasError, match="truncated"):
        nas.search(SMALL, evaluate=tmp_path / "cut.safetensors", out=tmp_path / "none")


@pytest.mark.parametrize(
    ("space", "options", "message"),
    [
        (SMALL, {"objectives": ("attention-confidence",)}, "is not defined for networks of space .*it has no attention"),
        (SMALL, {"objectives": ("top1",), "filters": ("zen>=1e9",)}, "refuses 12 of 12 random architectures; their scores"),
        (SMALL, {"objectives": ("naswot",), "steps": 3}, "naswot needs no trained network; leave out --steps"),
        (SMALL, {"warm_start": "zne"}, "Did you mean 'zen'"),
        (SMALL, {"objectives": ("naswt",)}, "unknown objective 'naswt'; .* Did you mean 'naswot'"),
        (CELLS, {"strategy": "linas", "strategy_options": {"features": "snip"}}, "up to 20000 candidates for every batch"),
        (SMALL, {"strategy": "npenas", "strategy_options": {"features": "macs"}}, "predictor 'gin' reads no features"),
    ],
)
def test_mistakes_are_told_before_anything_is_done(space: str, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(NasError, match=message):
        nas.search(space, out=tmp_path / "run", **QUICK, **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_beside_the_accuracy_of_a_supernet(small: Space, tmp_path: Path) -> None:
    options: dict[str, Any] = {"objectives": ("top1", "synflow"), "filters": ("zen:0.75",), "warm_start": "synflow:2/6"}
    run = nas.search(SMALL, out=tmp_path / "run", steps=5, evaluations=5, strategy="random", **options, **QUICK)
    assert set(run.results["winner"]["validation"]) == {"top1", "loss", "synflow"}
    assert run.results["random_search"] is not None
    assert run.network() is not None
