"""Comparing strategies on tables of results: every strategy on every table with many seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.base.files import write_error, write_json, write_text
from nas.base.progress import Reporter, Silent
from nas.drawing.measure import require_matplotlib
from nas.drawing.strategies import Panel, draw_curves
from nas.jobs.bench_figures import Compared, contest_figures, curves_csv, mean_curve
from nas.jobs.bench_files import SearchesFile, file_name
from nas.jobs.comparison import Comparison, searches
from nas.runs import RunFolder
from nas.searching.benchmarks import Benchmark

STRATEGIES = ("random", "evolution", "aging", "local", "predictor")
"""What is compared where nothing is named."""


def bench(
    space: str,
    tables: Sequence[str],
    strategies: Sequence[str] = STRATEGIES,
    evaluations: int = 200,
    seeds: int = 20,
    out: str | Path = "bench",
    targets: Sequence[str] = (),
    marks: Sequence[int] = (),
    processes: int = 1,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Search every table with every strategy and every seed, and write what came of it.

    Stopped at any moment, the same call goes on where it was; with more seeds, strategies or tables it does those that are new.

    Args:
        space: its name.
        tables: 'FILE.csv', 'FILE.csv:COLUMN' or 'FILE.csv:COLUMN:min', or a fitted predictor.
        strategies: 'random', 'aging:population=20', 'optuna:tpe'.
        evaluations: of each search.
        seeds: searches of each strategy on each table, with the seeds 0, 1, 2, ...
        out: a folder for searches, figures and the plot.
        targets: bounds on what may be proposed.
        marks: numbers of evaluations after which the best so far is told; a quarter, half and all of them by default.
        processes: that search side by side.

    Returns:
        {"space", "targets", "evaluations", "seeds", "best": {table: figure or None}, "contests": see `contest_figures`, "csv",
        "plot", "note"}; "plot" is None, and "note" says why, where there is no matplotlib.

    Raises:
        NasError: whatever is wrong with what was asked.
    """
    for name, value in (("--evaluations", evaluations), ("--seeds", seeds), ("--jobs", processes)):
        if value < 1:
            raise NasError(f"{name} is a number from 1; given {value}")
    if not tables:
        raise NasError("no table is given; name one with --table FILE.csv:COLUMN")
    marks = _marks(marks, evaluations)
    comparison = Comparison(space, tuple(tables), tuple(strategies), tuple(targets), evaluations)
    benchmarks, contestants = comparison.benchmarks, comparison.contestants
    pairs = [(place, other) for place in range(len(benchmarks)) for other in range(len(contestants))]
    folder, reporter = Path(out), reporter or Silent()
    with _made(folder).locked():
        files = {pair: _file(folder, comparison, pair) for pair in pairs}
        missing = [(*pair, seed) for seed in range(seeds) for pair in pairs if seed not in files[pair].found]
        done = len(pairs) * seeds - len(missing)
        reporter.start("comparing", len(pairs) * seeds, done)
        try:
            for task, searched in searches(comparison, missing, processes):
                files[task[:2]].add(searched)
                done += 1
                reporter.advance(done, contestants[task[1]].label)
        finally:
            reporter.finish()
        names = {(one, other): (benchmarks[one].name, contestants[other].label) for one, other in pairs}
        compared = {names[pair]: [files[pair].found[seed] for seed in range(seeds)] for pair in pairs}
        write_text(folder / "curves.csv", curves_csv(benchmarks, compared, evaluations))
        plot, note = _plotted(folder / "curves.png", comparison, compared)
        figures = {
            "space": space,
            "targets": list(targets),
            "evaluations": evaluations,
            "seeds": seeds,
            "best": {one.name: _best(one) for one in benchmarks},
            "contests": [contest_figures(benchmarks[pair[0]], names[pair][1], compared[names[pair]], marks) for pair in pairs],
            "csv": str(folder / "curves.csv"),
            "plot": plot,
            "note": note,
        }
        write_json(folder / "results.json", figures)
    return figures


def _marks(marks: Sequence[int], evaluations: int) -> list[int]:
    """Ascending numbers of evaluations, all of them last."""
    found = sorted({*(marks or (max(1, evaluations // 4), max(1, evaluations // 2))), evaluations})
    if found[0] < 1 or found[-1] > evaluations:
        raise NasError(f"--at takes numbers from 1 to the {evaluations} evaluations of a search; given {list(marks)}")
    return found


def _made(folder: Path) -> RunFolder:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error
    return RunFolder(folder)


def _file(folder: Path, comparison: Comparison, pair: tuple[int, int]) -> SearchesFile:
    name = file_name(comparison.benchmarks[pair[0]].name, comparison.contestants[pair[1]].label)
    return SearchesFile(folder / "searches" / name, comparison.settings(*pair))


def _best(benchmark: Benchmark) -> float | None:
    """The best of a table, as it stands there."""
    return None if benchmark.best is None else benchmark.problem.objective.sign * benchmark.best


def _plotted(path: Path, comparison: Comparison, compared: Compared) -> tuple[str | None, str | None]:
    """The plot, or why there is none."""
    try:
        require_matplotlib()
    except NasError as error:
        return None, f"No plot: {error}"
    draw_curves(panels(comparison.benchmarks, compared, comparison.evaluations), path, f"{comparison.space}: means of searches")
    return str(path), None


def panels(benchmarks: Sequence[Benchmark], compared: Compared, length: int) -> list[Panel]:
    """What is drawn: for each benchmark the mean regret of every strategy, or the mean of the best so far."""
    found = []
    for benchmark in benchmarks:
        objective = benchmark.problem.objective
        title = f"best {objective.name} so far"
        if benchmark.best is not None:
            title = f"regret: {objective.name} {'short of' if objective.sign > 0 else 'above'} the best"
        own: Mapping[str, Any] = {label: done for (name, label), done in compared.items() if name == benchmark.name}
        lines = {label: mean_curve(benchmark, done, length) for label, done in own.items()}
        found.append(Panel(benchmark.name, title, lines, benchmark.best is not None))
    return found
