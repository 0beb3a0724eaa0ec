"""What every study shares: one thread, alternating rounds, and a record of figures with the machine they come from."""

from __future__ import annotations

import argparse
import datetime
import gc
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from nas.base.files import write_json

RESULTS = Path(__file__).parent / "results"

_crowded: list[bool] = []
"""For each round that counts, whether other processes disturbed it."""


def arguments(description: str | None, rounds: int) -> argparse.Namespace:
    """The command line of a study: how many rounds, and which core to stay on; sets torch to one thread."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds, help="alternating rounds (default: %(default)s)")
    parser.add_argument("--core", type=int, help="stay on this processor core")
    given = parser.parse_args()
    if given.core is not None:
        os.sched_setaffinity(0, {given.core})
    torch.set_num_threads(1)
    return given


def seconds(side: Callable[[], Any]) -> float:
    """Duration of one call."""
    start = time.perf_counter()
    side()
    return time.perf_counter() - start


def alternate(sides: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of one call of each side in each round, in alternating order, after one round that is thrown away.

    A round in which other processes held this one off its core for more than a twentieth of the time is done again.
    After twice as many tries as rounds such rounds are taken too; `record` says how many.
    """
    times: dict[str, list[float]] = {name: [] for name in sides}
    gc.disable()
    try:
        tries = 0
        while any(len(measured) < rounds for measured in times.values()):
            gc.collect()
            held, start = time.process_time(), time.perf_counter()
            measured = {name: seconds(sides[name]) for name in sorted(sides, reverse=tries % 2 == 1)}
            crowded = time.process_time() - held < 0.95 * (time.perf_counter() - start)
            tries += 1
            if tries == 1 or (crowded and tries <= 2 * rounds):
                continue
            _crowded.append(crowded)
            for name, value in measured.items():
                times[name].append(value)
    finally:
        gc.enable()
    return times


def ratio(times: Mapping[str, Sequence[float]], side: str, other: str) -> float:
    """Median over the rounds of one side's time divided by the other's."""
    return median(a / b for a, b in zip(times[side], times[other], strict=True))


def machine() -> dict[str, Any]:
    """Processor, threads and versions."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def record(script: str, figures: Sequence[Mapping[str, Any]], /, **settings: Any) -> None:
    """Print the figures as a table, and write them with settings, command, machine and date to `results/`."""
    name = Path(script).stem
    table = Table(title=name)
    for column in figures[0]:
        table.add_column(column, justify="left" if isinstance(figures[0][column], str) else "right")
    for row in figures:
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(width=140 if not sys.stdout.isatty() else None).print(table)
    content = {
        "study": name,
        "command": " ".join(["python", f"experiments/{name}.py", *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "settings": settings,
        **({"crowded_rounds": sum(_crowded)} if _crowded else {}),
        "figures": [{key: round(v, 6) if isinstance(v, float) else v for key, v in row.items()} for row in figures],
    }
    write_json(RESULTS / f"{name}.json", content)
