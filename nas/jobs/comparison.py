"""What a comparison of strategies does: its tables and strategies by name, and their searches, side by side."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from nas.base.errors import NasError
from nas.runs import named_space
from nas.runs.looked_up import digest
from nas.searching import parse_target
from nas.searching.benchmarks import Benchmark, Contestant, Searched, compete
from nas.searching.contests import Results, open_benchmark, parse_contestants, parse_table
from nas.searching.known_results import open_results

Task = tuple[int, int, int]
"""Benchmark, strategy, seed."""


@dataclass(frozen=True)
class Comparison:
    """What is compared, by names alone, so that every process can open it for itself."""

    space: str
    tables: tuple[str, ...]
    strategies: tuple[str, ...]
    targets: tuple[str, ...]
    evaluations: int

    @cached_property
    def contestants(self) -> list[Contestant]:
        """The strategies."""
        return parse_contestants(self.strategies)

    @cached_property
    def benchmarks(self) -> list[Benchmark]:
        """The tables, each file read once. Raises NasError for whatever is wrong with them."""
        space = named_space(self.space)
        bounds = [parse_target(text, space).bound(space, space.task) for text in self.targets]
        files: dict[str, Results] = {}
        found = []
        for text in self.tables:
            file = parse_table(text)[0]
            if file not in files:
                files[file] = open_results(file, space)
            found.append(open_benchmark(text, space, files[file], bounds))
        names = [one.name for one in found]
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise NasError(f"two tables would be called {repeated}; rename one of the files, or compare them apart")
        return found

    @cached_property
    def digests(self) -> list[str]:
        """Of each table's file, which may be large."""
        return [digest(parse_table(text)[0]) for text in self.tables]

    def settings(self, benchmark: int, contestant: int) -> dict[str, Any]:
        """What must be the same for two searches to be comparable."""
        asked, one = self.contestants[contestant], self.benchmarks[benchmark]
        return {
            "space": self.space,
            "table": one.name,
            "direction": one.problem.objective.direction,
            "results": self.digests[benchmark],
            "targets": list(self.targets),
            "strategy": asked.strategy,
            "options": dict(asked.options),
            "evaluations": self.evaluations,
        }

    def run(self, task: Task) -> Searched:
        """One search."""
        benchmark, contestant, seed = task
        return compete(self.benchmarks[benchmark], self.contestants[contestant], seed, self.evaluations)


def searches(comparison: Comparison, tasks: Sequence[Task], processes: int) -> Iterator[tuple[Task, Searched]]:
    """Each search as it ends.

    Raises:
        NasError: a search is refused, or a process was killed.
    """
    if processes == 1 or len(tasks) < 2:
        yield from ((task, comparison.run(task)) for task in tasks)
        return
    # Threads of several processes on the same cores would wait for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    fresh, others = replace(comparison), set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        min(processes, len(tasks)), multiprocessing.get_context("spawn"), initializer=_begin, initargs=(fresh,)
    )
    try:
        waiting = {pool.submit(_run, task): task for task in tasks}
        for future in as_completed(waiting):
            yield waiting[future], future.result()
    except BrokenProcessPool as error:
        raise NasError("a process of the comparison was killed; the same command goes on where it was") from error
    finally:
        ours = set(multiprocessing.active_children()) - others
        pool.shutdown(wait=False, cancel_futures=True)
        for process in ours:
            process.terminate()


_opened: list[Comparison] = []
"""In a process that searches: what it compares."""


def _begin(comparison: Comparison) -> None:
    """In a new process, in which Ctrl-C is left to the first one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _opened.append(comparison)


def _run(task: Task) -> Searched:
    return _opened[0].run(task)
