"""Results that are known already, from a CSV file; and the published tables of NAS-Bench-201."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from tiny_search import decisions

from nas.base.errors import NasError
from nas.searching import ArrayHistory, Objective, Problem, TableEvaluator, read_table, search
from nas.searching.strategies.hyperband import Hyperband
from nas.searching.strategies.random_search import RandomSearch
from nas.supernet import Space, open_space

CELLS = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
)


@pytest.fixture(scope="module")
def cells() -> Space:
    return open_space("cells:nas-bench-201")


def small(metrics: dict[str, list[float]]) -> TableEvaluator:
    return TableEvaluator(
        np.array([[0, 0], [1, 0], [1, 0]], dtype=np.uint8), {k: np.array(v) for k, v in metrics.items()}, "r.csv"
    )


def test_architectures_are_looked_up_and_repetitions_averaged() -> None:
    table = small({"top1": [50.0, 60.0, 70.0], "energy": [1.0, 2.0, 4.0]})
    assert len(table) == 2
    assert table(np.array([1, 0], dtype=np.uint8)) == {"top1": 65.0, "energy": 3.0}


def test_what_is_missing_is_a_failure_of_that_architecture_alone() -> None:
    table = small({"top1": [50.0, np.nan, np.nan]})
    space = decisions(2, 2)
    history = ArrayHistory(2)
    search(RandomSearch(Problem(space), 0), history, table, 4)
    assert sorted(history.scores().tolist()) == [-np.inf, -np.inf, -np.inf, 50.0]
    with pytest.raises(ValueError, match=r"not among the 2 architectures of r\.csv"):
        table(np.array([0, 1], dtype=np.uint8))
    with pytest.raises(ValueError, match=r"r\.csv has no figure for it"):
        table(np.array([1, 0], dtype=np.uint8))


def test_a_table_has_no_cheaper_results() -> None:
    with pytest.raises(NasError, match="one result for each architecture, and none for less"):
        search(Hyperband(Problem(decisions(2, 2)), 0), ArrayHistory(2), small({"top1": [1.0, 2.0, 3.0]}), 4)


def test_a_figure_that_an_objective_needs_may_be_missing_for_some() -> None:
    """An empty cell is a failed evaluation; without a single figure the search says so."""
    problem = Problem(decisions(2, 2), objectives=(Objective("energy"),))
    history = ArrayHistory(2, problem.objectives)
    search(RandomSearch(problem, 0), history, small({"top1": [1.0] * 3, "energy": [1.0, np.nan, 3.0]}), 4)
    assert sorted(history.scores().tolist()) == [-np.inf, -np.inf, 1.0, 3.0]
    gone = small({"top1": [np.nan] * 3, "energy": [1.0, np.nan, np.nan]})
    with pytest.raises(ValueError, match="no figure"):
        gone(np.array([1, 0], dtype=np.uint8))
    with pytest.raises(NasError, match="every evaluation so far has failed, all 4 of them"):
        search(RandomSearch(problem, 0), ArrayHistory(2, problem.objectives), small({"top1": [1.0] * 3}), 4, hopeless=3)


def test_a_table_of_too_little_of_the_space_is_refused() -> None:
    rows = np.zeros((1, 20), dtype=np.uint8)
    table = TableEvaluator(rows, {"top1": np.ones(1)}, "r.csv")
    with pytest.raises(NasError, match=r"r\.csv holds 1 of 1\.1e\+12 architectures"):
        table.require_covering(Problem(decisions(20, 4)), np.random.default_rng(0))
    small({"top1": [1.0, 2.0, 3.0]}).require_covering(Problem(decisions(2, 2)), np.random.default_rng(0))


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_in_the_benchmark_s_notation_or_json(cells: Space, tmp_path: Path, packed: bool) -> None:
    text = str(cells.parse(CELLS[1])).replace('"', '""')
    content = f'arch,top1,note\n{CELLS[0]},90.5,good\n"{text}",80,bad\n'
    path = tmp_path / ("results.csv.gz" if packed else "results.csv")
    path.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
    table = read_table(path, cells)
    assert table.metrics == ("top1",)
    assert [table(row)["top1"] for row in cells.encode([cells.parse(cell) for cell in CELLS])] == [90.5, 80.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cell,top1\nx,1\n", "has no column 'architecture'; .* it has: cell, top1"),
        ("architecture,top1\n", "holds 0 architectures"),
        (f"architecture,note\n{CELLS[0]},good\n", "holds 1 architectures and no column of numbers"),
        (f"architecture,top1\n{CELLS[0]}\n", r"line 2: 1 cells in a table of 2 columns"),
        ("architecture,top1\nnonsense,1\n", r"line 2: this is no cell of NAS-Bench-201"),
        ('architecture,top1\n"{""decisions"": {""edge01"": ""x""}}",1\n', r"line 2: .*edge01"),
    ],
)
def test_a_file_that_is_no_table_is_explained(cells: Space, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "results.csv").write_text(content)
    with pytest.raises(NasError, match=message):
        read_table(tmp_path / "results.csv", cells)
    with pytest.raises(NasError, match="cannot be read"):
        read_table(tmp_path / "missing.csv", cells)
    whole = gzip.compress(content.encode())
    for damaged in (b"plain", whole[:-9], whole[:10] + b"\xff" * 20):
        (tmp_path / "results.csv.gz").write_bytes(damaged)
        with pytest.raises(NasError, match="cannot be read"):
            read_table(tmp_path / "results.csv.gz", cells)


def test_spaces_read_json_known_names_and_their_own_notation(cells: Space, mbconv: Space) -> None:
    assert cells.parse("nats-size-cell") == cells.known["nats-size-cell"] == cells.parse(CELLS[0])
    assert mbconv.parse("mnasnet-b1") == mbconv.known["mnasnet-b1"] == mbconv.parse(str(mbconv.known["mnasnet-b1"]))
    with pytest.raises(NasError, match="not an architecture in JSON"):
        mbconv.parse("mnasnet-b9")
    tree = open_space("einspace").smallest
    assert open_space("einspace").parse(str(tree)) == tree
