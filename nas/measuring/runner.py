"""Times the models of a folder on the device it runs on. It needs Python 3.9, numpy and the runtime, and nothing of nas.

    python runner.py FOLDER

The folder holds `plan.json`, `loader.py` (how the runtime loads a model) and the models. Every timing is one line that is
appended to `timings.jsonl`, so that work that was interrupted goes on where it was. Progress is printed, one line a round.

In a round all models come in a new random order, each with warm-up calls and then timed ones, of which the fastest counts.
Every model is loaded anew, so that a place in memory that happens to be good or bad does not last. A model whose rounds
spread more than is allowed gets further rounds, up to a limit. A reference model is timed all along: it shows when the
clock of the device drifts. Where the system tells how busy other programs keep the processors, a disturbed timing is
repeated at once, a few times at most.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import random
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import numpy

Timings = dict[int, dict[int, list[float]]]
"""Model -> round -> milliseconds."""

REPEATS = 3
"""How often a disturbed timing is taken at most."""

BUSY = 0.1
"""Processors' worth of other programs above which a timing is disturbed."""

REFERENCE_EVERY = 8
"""Models between two timings of the reference."""


def main() -> None:
    """Time what is missing."""
    parser = argparse.ArgumentParser(description="Times the models of a folder.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    loader = load_loader(folder / "loader.py")
    pin(plan["threads"])
    record(folder, {"device": describe(loader, plan)})
    timings = read_timings(folder / "timings.jsonl", len(plan["models"]))
    with (folder / "timings.jsonl").open("a", encoding="utf-8") as file:
        for number in range(plan["most_rounds"]):
            waiting = due(plan, timings, number)
            if waiting:
                one_round(plan, loader, folder, number, waiting, timings, file)
    record(folder, {"finished": True})


def load_loader(path: Path) -> Any:
    """The module that knows the runtime."""
    spec = importlib.util.spec_from_file_location("loader", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pin(threads: int) -> None:
    """Keep to as many processors as there are threads, where the system lets a program choose."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def describe(loader: Any, plan: dict[str, Any]) -> dict[str, Any]:
    """What is measured on."""
    return {**machine(), "runtime": plan["runtime"] + " " + loader.version(), "pinned": hasattr(os, "sched_setaffinity")}


def machine() -> dict[str, Any]:
    """Processor, how many of them, and system."""
    processor = platform.processor() or platform.machine()
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith(("model name", "Hardware"))]
        processor = names[0] if names else processor
    except OSError:
        pass
    return {"processor": processor, "cores": os.cpu_count(), "system": platform.platform()}


def record(folder: Path, content: dict[str, Any]) -> None:
    """Add to `device.json`, beside and renamed."""
    path = folder / "device.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    beside = folder / "device.json.new"
    beside.write_text(json.dumps({**known, **content}, indent=1), encoding="utf-8")
    beside.replace(path)


def read_timings(path: Path, count: int) -> Timings:
    """Round -> milliseconds of each model so far, and those of the reference under -1. A last line that was cut is left out."""
    timings: Timings = {model: {} for model in range(-1, count)}
    if not path.exists():
        return timings
    whole = path.read_bytes()
    if whole and not whole.endswith(b"\n"):
        whole = whole[: whole.rfind(b"\n") + 1]
        path.write_bytes(whole)
    for line in whole.decode("utf-8").splitlines():
        entry = json.loads(line)
        timings[entry["model"]].setdefault(entry["round"], []).append(entry["ms"])
    return timings


def spread(values: list[float]) -> float:
    """Half the range between the quartiles, as a share of the median."""
    low, middle, high = numpy.quantile(values, [0.25, 0.5, 0.75])
    return float((high - low) / 2 / middle)


def due(plan: dict[str, Any], timings: Timings, number: int) -> list[int]:
    """The models that this round is still to time."""
    found = []
    for model in range(len(plan["models"])):
        known = timings[model]
        earlier = [min(ms) for at, ms in known.items() if at < number]
        wanted = number < plan["rounds"] or len(earlier) < plan["rounds"] or spread(earlier) > plan["spread"]
        if wanted and number not in known:
            found.append(model)
    return found


def one_round(
    plan: dict[str, Any], loader: Any, folder: Path, number: int, waiting: list[int], timings: Timings, file: TextIO
) -> None:
    """Time some models in a new order, and the reference between them."""
    random.Random(plan["seed"] * 1000003 + number).shuffle(waiting)
    for place, model in enumerate(waiting):
        if place % REFERENCE_EVERY == 0:
            keep(file, timings, number, -1, timed(plan, loader, folder, plan["reference"]))
        keep(file, timings, number, model, timed(plan, loader, folder, model))
        print(json.dumps({"round": number, "done": place + 1, "of": len(waiting)}), flush=True)


def keep(file: TextIO, timings: Timings, number: int, model: int, found: tuple[float, float | None]) -> None:
    """Write a timing down."""
    milliseconds, busy = found
    file.write(json.dumps({"round": number, "model": model, "ms": milliseconds, "busy": busy}) + "\n")
    file.flush()
    timings[model].setdefault(number, []).append(milliseconds)


def timed(plan: dict[str, Any], loader: Any, folder: Path, model: int) -> tuple[float, float | None]:
    """(milliseconds of the fastest call, processors that other programs kept busy meanwhile or None)."""
    entry = plan["models"][model]
    generator = numpy.random.default_rng(0)
    inputs = [generator.standard_normal(shape, dtype=numpy.float32) for shape in entry["inputs"]]
    call = loader.load(folder / entry["file"], inputs, plan["threads"], plan["dtype"])
    fastest, busy = float("inf"), None
    for _ in range(REPEATS):
        for _ in range(plan["warmups"]):
            call()
        before, start, here = others(), time.perf_counter(), float("inf")
        for _ in range(plan["calls"]):
            begin = time.perf_counter()
            call()
            here = min(here, time.perf_counter() - begin)
        after, wall = others(), time.perf_counter() - start
        disturbed = None if before is None or after is None else round(max(0.0, (after - before) / wall), 3)
        if here < fastest:
            fastest, busy = here, disturbed
        # The system counts in hundredths of a second; over less than a tenth nothing can be said.
        if disturbed is None or wall < 0.1 or disturbed <= BUSY:
            break
    return round(fastest * 1e3, 6), busy


def others() -> float | None:
    """Seconds that other programs have had of all processors, or None where the system does not tell."""
    try:
        with Path("/proc/stat").open(encoding="utf-8") as file:
            fields = [int(field) for field in file.readline().split()[1:9]]
        own = os.times()
    except (OSError, ValueError):
        return None
    user, nice, system, _, _, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK") - own.user - own.system


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
