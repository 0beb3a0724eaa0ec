"""Kills at random moments, and a study of ten thousand trials: what is lost, what is made twice, what comes out.

Searches (training, searching, exporting), measurements and exports of a small network on the embedded digits are killed by
SIGKILL at moments drawn from the whole of what is left of them, up to three times each, then left to end by the command that
a user types. Half of the kills take what a process started with it. A search must equal the uninterrupted one: every trial,
the weights, the source, the winner. No trial that was written may be lost, and none of its architectures evaluated again.
Finished pieces of work are kept under `results/reliability/`, so that a killed study goes on.

A look-up search of 10,000 trials is gone on with from its last file: opened, resumed and reported on. Its wall time and the
largest memory of its process are recorded.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from forked import ended, fork, kill, wait
from killed import Export, Measure, Search, Work, cleared, write_space
from made_up_tables import write_results
from recording import RESULTS, record

from nas import jobs
from nas.base.seeds import generator
from nas.supernet import open_space

KEPT = RESULTS / "reliability"

MOST = 3
"""Kills of one piece of work before it is left to end."""

SHARES = (("search", 0.7), ("measure", 0.2), ("export", 0.1))
"""Of all kills."""


def uninterrupted(work: Work, folder: Path) -> float:
    """Run it whole; returns its seconds."""
    cleared(folder)
    begun = time.monotonic()
    code = wait(fork(lambda: work.run(folder), folder.with_name("whole.output")))
    if code != 0:
        sys.exit(f"{work.name} failed uninterrupted: {folder.with_name('whole.output').read_text()}")
    return time.monotonic() - begun


def interrupted(work: Work, folder: Path, whole: Path, seconds: float, kills: int, rng: np.random.Generator) -> dict[str, Any]:
    """One piece of work that is killed so many times, or fewer where it ends before; then it is left to end."""
    cleared(folder)
    output = folder.with_name(f"{folder.name}.output")
    phases, faults = [], []
    known: list[Any] = []
    begun = 0
    for _ in range(kills):
        process = fork(lambda: work.run(folder), output)
        end = time.monotonic() + rng.uniform(0.0, seconds)
        code = None
        while code is None and time.monotonic() < end:
            code = ended(process)
            time.sleep(0.001)
        if code is not None:
            faults += [f"exit code {code}"] * (code != 0)
            break
        kill(process, whole=bool(rng.random() < 0.5))
        phases.append(work.phase(folder))
        faults += _lost(known, work.recorded(folder)) + _again(known, work.made(folder)[begun:])
        known, begun = work.recorded(folder), len(work.made(folder))
    code = wait(fork(lambda: work.run(folder), output))
    if code != 0:
        lines = output.read_text(errors="replace").strip().splitlines()
        faults.append(f"did not end well: {code}: {lines[-1] if lines else ''}")
    else:
        faults += _lost(known, work.recorded(folder)) + _again(known, work.made(folder)[begun:]) + work.faults(whole, folder)
    return {"work": work.name, "phases": phases, "faults": faults}


def _lost(before: list[Any], after: list[Any]) -> list[str]:
    """What was written down stays, at its place."""
    return [] if after[: len(before)] == before else ["something that was written is lost"]


def _again(known: list[Any], made: list[Any]) -> list[str]:
    twice = set(known).intersection(made)
    return [f"{len(twice)} evaluations were made again"] * bool(twice)


def killed(kills: int) -> list[dict[str, Any]]:
    """As many kills as asked for, the pieces of work in turn; those that are kept are not done again."""
    KEPT.mkdir(parents=True, exist_ok=True)
    file = KEPT / "killed.jsonl"
    done: list[dict[str, Any]] = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    with tempfile.TemporaryDirectory(prefix="nas-reliability-") as name:
        place = Path(name)
        os.environ["NAS_HOME"] = str(place / "home")
        space = write_space(place)
        works: dict[str, Work] = {"search": Search(space), "measure": Measure(space)}
        works["export"] = Export(space, place / "search-whole")
        seconds = {kind: uninterrupted(work, place / f"{kind}-whole") for kind, work in works.items()}
        print({kind: round(value, 1) for kind, value in seconds.items()}, flush=True)
        for kind, share in SHARES:
            wanted = round(share * kills)
            while (had := sum(len(one["phases"]) for one in done if one["work"] == kind)) < wanted:
                rng = generator(0, "reliability", kind, len(done))
                most = min(MOST, wanted - had)
                found = interrupted(works[kind], place / "killed", place / f"{kind}-whole", seconds[kind], most, rng)
                done.append(found)
                with file.open("a") as kept:
                    kept.write(json.dumps(found) + "\n")
                print(len(done), found, flush=True)
    return done


def large_study(trials: int) -> dict[str, Any]:
    """A search of so many trials, gone on with from its last file."""
    with tempfile.TemporaryDirectory(prefix="nas-large-") as name:
        place = Path(name)
        space = open_space("cells:nats-size")
        rows = np.unique(space.decisions.sample(np.random.default_rng(0), 20_000), axis=0)
        table = place / "table.csv"
        write_results(table, space, rows, lambda row: row.sum())
        synchronise, os.fsync = os.fsync, lambda _: None  # type: ignore[assignment]
        try:
            run = jobs.search("cells:nats-size", evaluate=str(table), strategy="random", evaluations=trials, out=place / "run")
        finally:
            os.fsync = synchronise
        before = run.results["winner"]
        for name_of in ("results.json", "README.md", "winner.json"):
            (run.path / name_of).unlink()
        begun = time.monotonic()
        process = fork(
            lambda: os.execv(sys.executable, [sys.executable, "-m", "nas", "resume", str(run.path)]), place / "output"
        )
        _, status, usage = os.wait4(process, 0)
        seconds = time.monotonic() - begun
        same = status == 0 and json.loads((run.path / "results.json").read_text())["winner"] == before
        processor = usage.ru_utime + usage.ru_stime
        memory = usage.ru_maxrss / 1024
        return {"trials": trials, "seconds": seconds, "processor_seconds": processor, "mebibytes": memory, "same": same}


def main() -> None:
    """Kill, open, and record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="in all (default: %(default)s)")
    parser.add_argument("--trials", type=int, default=10_000, help="of the large study (default: %(default)s)")
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    done = killed(given.kills)
    phases = Counter((one["work"], phase) for one in done for phase in one["phases"])
    faults = Counter(fault for one in done for fault in one["faults"])
    figures = [{"killed": work, "while": phase, "kills": count} for (work, phase), count in sorted(phases.items())]
    large = large_study(given.trials)
    ended_well = sum(not one["faults"] for one in done)
    record(
        __file__, figures, kills=sum(phases.values()), pieces=len(done), ended_well=ended_well, faults=dict(faults), large=large
    )
    print(
        f"{sum(phases.values())} kills of {len(done)} pieces of work, of which {ended_well} ended well; {dict(faults)}; {large}"
    )


if __name__ == "__main__":
    main()
