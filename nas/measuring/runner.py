"""Times the models of a folder on the device it runs on. It needs Python 3.9, numpy and the runtime, and nothing of nas.

    python3 runner.py FOLDER
    python3 runner.py FOLDER --check     say what this machine has, and stop

The folder holds `plan.json`, `loader.py` (how the runtime loads a model) and the models. Every timing is one line that is
appended to `timings.jsonl`, so that work that was interrupted goes on where it was; at the end everything is written as one
file, `results.json`. Progress is printed, one line a model.

In a round all models come in a new random order, a group at a time. The models of a group and a reference take turns, each
with warm-up calls and then timed ones, and of a model's calls the fastest counts: what disturbs a machine for a part of a
second then meets one call of many models, and not all calls of one. Every model is loaded anew, so that a place in memory that
happens to be good or bad does not last. A model whose rounds spread more than is allowed gets further rounds, up to a limit.

The reference is one model, always the same: it shows when the clock of the device drifts. Where the system tells how busy other
programs keep the processors, a disturbed group takes its turns again at once, a few times at most. What it does not tell, such
as other guests of a virtual machine's host, shows in the reference: a group in which it was slow is repeated at the end of
the round.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import platform
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if sys.version_info < (3, 9):  # noqa: UP036  # boards have older ones
    sys.exit(f"the runner needs Python 3.9 or newer; {sys.executable} is {platform.python_version()}")

try:
    import numpy
except ImportError as error:
    sys.exit(f"{sys.executable} cannot import numpy ({error}); install it: pip install numpy")


def load_module(path: Path) -> Any:
    """A Python file of the folder, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    from nas.measuring import host
else:
    host = load_module(Path(__file__).with_name("host.py"))

Timings = dict[int, dict[int, list[float]]]
"""Model -> round -> milliseconds."""

REPEATS = 3
"""How often a disturbed group takes its turns at most."""

BUSY = 0.1
"""Processors' worth of other programs above which a timing is disturbed."""

USUAL = 0.25
"""A machine's usual state is this quantile of its states: it can be slow for most of the time."""

TOGETHER, BYTES = 16, 192 << 20
"""Models of a group, and the bytes of their files, at most: boards have little memory, and a runtime needs more than a file."""


def main() -> None:
    """Time what is missing."""
    parser = argparse.ArgumentParser(description="Times the models of a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="say what this machine has, as JSON, and stop")
    parser.add_argument("--take-over", action="store_true", help="stop a runner that is at work in the folder")
    given = parser.parse_args()
    loader = load_loader(given.folder / "loader.py")
    if given.check:
        print(json.dumps(check(given.folder, loader)))
        return
    with host.alone(given.folder, given.take_over):
        work(given.folder, loader)


def check(folder: Path, loader: Any) -> dict[str, Any]:
    """The runtime's version, bytes that are free, and the SHA-256 of every model that is there."""
    models = sorted((folder / "models").glob("*"))
    return {
        "runtime": loader.version(),
        "free": shutil.disk_usage(folder).free,
        "models": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in models if path.is_file()},
    }


def work(folder: Path, loader: Any) -> None:
    """Go on with the rounds until no model needs another one."""
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    timings = read_timings(folder / "timings.jsonl", len(plan["models"]))
    device = host.describe(plan["threads"], plan["runtime"] + " " + loader.version())
    if any(timings.values()):
        host.require_same(folder / "device.json", device)
    record(folder, {"device": device})
    with (folder / "timings.jsonl").open("a", encoding="utf-8") as file:
        for number in range(plan["most_rounds"]):
            waiting = due(plan, timings, number)
            if waiting:  # a round may be complete from before, and later ones not
                one_round(plan, loader, folder, number, waiting, timings, file)
    record(folder, {"finished": True})
    write_results(folder, plan, device)


def load_loader(path: Path) -> Any:
    """The module that knows the runtime; without the runtime this is the end."""
    try:
        return load_module(path)
    except ImportError as error:
        name = error.name or "the runtime"
        sys.exit(f"{sys.executable} cannot import {name} ({error}); install it: pip install {error.name or 'PACKAGE'}")


def write_results(folder: Path, plan: dict[str, Any], device: dict[str, Any]) -> None:
    """Everything that a table is made of, as one file: plan, device, and [round, model, milliseconds, busy] of each timing."""
    lines = (folder / "timings.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    timings = [[entry["round"], entry["model"], entry["ms"], entry["busy"]] for entry in entries]
    beside = folder / "results.json.new"
    beside.write_text(json.dumps({"results": 1, "plan": plan, "device": device, "timings": timings}), encoding="utf-8")
    beside.replace(folder / "results.json")


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
    """Time some models in a new order, each group beside the reference; then those again whose reference was slow."""
    random.Random(plan["seed"] * 1000003 + number).shuffle(waiting)
    again: list[int] = []
    for wanted in (waiting, again):
        done = 0
        for group in groups(wanted, [folder / entry["file"] for entry in plan["models"]]):
            (reference, busy), *found = timed(plan, loader, folder, [plan["reference"], *group])
            keep(file, timings, number, -1, (reference, busy))
            for model, timing in zip(group, found):  # noqa: B905  # Pythons of boards are older than `strict`
                done += 1
                keep(file, timings, number, model, timing)
                print(json.dumps({"round": number, "done": done, "of": len(wanted)}), flush=True)
            usual = numpy.quantile([ms for known in timings[-1].values() for ms in known], USUAL)
            if wanted is waiting and reference > usual * (1 + plan["slowed"]):
                again += group


def groups(wanted: list[int], files: list[Path]) -> Iterator[list[int]]:
    """Models that are in memory at once, in the order given."""
    group: list[int] = []
    held = 0
    for model in wanted:
        size = files[model].stat().st_size
        if group and (len(group) == TOGETHER or held + size > BYTES):
            yield group
            group, held = [], 0
        group.append(model)
        held += size
    if group:
        yield group


def keep(file: TextIO, timings: Timings, number: int, model: int, found: tuple[float, float | None]) -> None:
    """Write a timing down."""
    milliseconds, busy = found
    file.write(json.dumps({"round": number, "model": model, "ms": milliseconds, "busy": busy}) + "\n")
    file.flush()
    timings[model].setdefault(number, []).append(milliseconds)


def timed(plan: dict[str, Any], loader: Any, folder: Path, models: list[int]) -> list[tuple[float, float | None]]:
    """(milliseconds of the fastest call, processors that other programs kept busy meanwhile or None) of each model."""
    calls = [loaded(plan, loader, folder, model) for model in models]
    order = random.Random(plan["seed"])
    fastest: list[tuple[float, float | None]] = [(float("inf"), None)] * len(calls)
    for _ in range(REPEATS):
        before, start = host.others(), time.perf_counter()
        here = take_turns(calls, plan, order)
        after, wall = host.others(), time.perf_counter() - start
        disturbed = None if before is None or after is None else round(max(0.0, (after - before) / wall), 3)
        both = zip(fastest, here)  # noqa: B905  # Pythons of boards are older than `strict`
        fastest = [(round(1e3 * new, 6), disturbed) if 1e3 * new < known[0] else known for known, new in both]
        # The system counts in hundredths of a second; over less than a tenth nothing can be said.
        if disturbed is None or wall < 0.1 or disturbed <= BUSY:
            break
    return fastest


def take_turns(calls: list[Callable[[], Any]], plan: dict[str, Any], order: random.Random) -> list[float]:
    """Seconds of the fastest call of each, in a new order in each turn."""
    fastest = [float("inf")] * len(calls)
    places = list(range(len(calls)))
    for _ in range(plan["turns"]):
        order.shuffle(places)
        for place in places:
            for _ in range(plan["warmups"]):
                calls[place]()
            for _ in range(plan["calls"]):
                begin = time.perf_counter()
                calls[place]()
                fastest[place] = min(fastest[place], time.perf_counter() - begin)
    return fastest


def loaded(plan: dict[str, Any], loader: Any, folder: Path, model: int) -> Callable[[], Any]:
    """What runs a model once, on inputs that are always the same."""
    entry = plan["models"][model]
    generator = numpy.random.default_rng(0)
    inputs = [generator.standard_normal(shape, dtype=numpy.float32) for shape in entry["inputs"]]
    call: Callable[[], Any] = loader.load(folder / entry["file"], inputs, plan["threads"], plan["dtype"])
    return call


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
