"""The same random networks in every installed runtime: how long they take, and whether the runtimes rank them alike.

Whole networks of `mbconv:single-path` (96 px) and `vit:autoformer-t` (224 px), one image, one thread. In each pass the
networks come in a new random order; a network is loaded in every runtime, the runtimes take turns, and each one's fastest
call counts. The figure of a network is the median over the passes, and a ratio is the median over the networks.

Files are kept in `--folder`, so that a run that was stopped goes on with them. ExecuTorch takes a minute of processor time to
write a network, so it has `--slow` of them. Other programs disturb the figures: how many processors they kept busy meanwhile
is recorded with them.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from recording import record
from scipy.stats import spearmanr
from torch import nn

from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.measuring import Runtime, list_runtimes, open_runtime
from nas.measuring.host import others, pin
from nas.measuring.runner import load_loader
from nas.supernet import Task, open_space

SPACES = {"mbconv:single-path": 96, "vit:autoformer-t": 224}
SLOW = ("executorch",)
ONLY = {"int8": ("mbconv:single-path",)}
"""Types that are timed on some spaces alone: quantising a transformer takes minutes."""

CALLS = 4
"""Calls of a runtime in its turn, after one that does not count."""

Chosen = Mapping[str, tuple[Runtime, str]]


def main() -> None:
    """Convert, time, record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--networks", type=int, nargs=2, default=[20, 20], help="of either space (default: %(default)s)")
    parser.add_argument("--slow", type=int, default=6, help="of them in ExecuTorch (default: %(default)s)")
    parser.add_argument("--passes", type=int, default=3, help="over all networks (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="of each runtime in a pass (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("measurements/runtimes"), help="for files (default: %(default)s)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    processors = os.sched_getaffinity(0)
    figures, times, refused, versions = [], {}, {}, {}
    for (name, resolution), count in zip(SPACES.items(), given.networks, strict=True):
        chosen = runtimes(name)
        versions |= {title: load_loader(runtime.loader).version() for title, (runtime, _) in chosen.items()}
        files, refused[name] = converted(name, resolution, count, chosen, given)
        pin(1)
        before, start = others() or 0.0, time.perf_counter()
        times[name] = timed(files, chosen, resolution, given.passes, given.turns)
        busy = ((others() or 0.0) - before) / (time.perf_counter() - start)
        os.sched_setaffinity(0, processors)
        figures += rows(name, times[name], busy)
    record(
        __file__, figures, networks=given.networks, slow=given.slow, passes=given.passes, turns=given.turns, calls=CALLS,
        versions=versions, refused=refused, milliseconds=times,
    )  # fmt: skip


def runtimes(space: str) -> Chosen:
    """Every runtime that is installed, in each of its types that this processor has."""
    found = {}
    for row in list_runtimes():
        for dtype in row["dtypes"]:
            if row["missing"] is None and space in ONLY.get(dtype, (space,)):
                found[row["name"] + ("" if dtype == "float32" else f" {dtype}")] = open_runtime(row["name"], dtype)
    return found


def converted(
    name: str, resolution: int, count: int, chosen: Chosen, given: argparse.Namespace
) -> tuple[dict[str, dict[int, Path]], dict[str, str]]:
    """Files of the networks by runtime, and why a runtime has none."""
    space = open_space(name)
    task = Task(space.task.channels, resolution, space.task.classes)
    drawn = space.decisions.sample(generator(0, "networks of the runtimes"), count)
    supernet = space.supernet(task.channels, task.resolution, task.classes).eval()
    folder = given.folder / name.replace(":", "-")
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, dict[int, Path]] = {title: {} for title in chosen}
    refused: dict[str, str] = {}
    for number, row in enumerate(drawn):
        network: nn.Module = supernet.extract(row).eval()
        for title, (runtime, dtype) in chosen.items():
            path = folder / f"{number:02}-{title.replace(' ', '-')}{runtime.suffix}"
            slow = title.split()[0] in SLOW and number >= given.slow
            if title in refused or slow:
                continue
            try:
                if not path.exists():
                    runtime.convert(network, [(1, *task.input_shape)], path, dtype)
                files[title][number] = path
            except NasError as error:
                refused[title] = str(error)
        print(f"{name}: network {number + 1} of {len(drawn)} is converted", flush=True)
    return {title: found for title, found in files.items() if found}, refused


def timed(
    files: Mapping[str, Mapping[int, Path]], chosen: Chosen, resolution: int, passes: int, turns: int
) -> dict[str, dict[int, float]]:
    """Milliseconds of each network in each runtime."""
    images = np.random.default_rng(0).standard_normal((1, 3, resolution, resolution), dtype=np.float32)
    loaders = {title: load_loader(chosen[title][0].loader) for title in files}
    fastest: dict[str, dict[int, list[float]]] = {title: {number: [] for number in found} for title, found in files.items()}
    order = random.Random(0)
    numbers = sorted({number for found in files.values() for number in found})
    for each in range(passes):
        order.shuffle(numbers)
        for number in numbers:
            calls = {
                title: loaders[title].load(found[number], [images], 1, chosen[title][1])
                for title, found in files.items()
                if number in found
            }
            for title, seconds in turn_about(calls, turns, order).items():
                fastest[title][number].append(1e3 * seconds)
        print(f"pass {each + 1} of {passes} is done", flush=True)
    return {title: {number: median(values) for number, values in found.items()} for title, found in fastest.items()}


def turn_about(calls: Mapping[str, Callable[[], Any]], turns: int, order: random.Random) -> dict[str, float]:
    """Seconds of the fastest call of each, all taking turns in random order."""
    fastest = dict.fromkeys(calls, float("inf"))
    titles = list(calls)
    for _ in range(turns):
        order.shuffle(titles)
        for title in titles:
            calls[title]()
            for _ in range(CALLS):
                begin = time.perf_counter()
                calls[title]()
                fastest[title] = min(fastest[title], time.perf_counter() - begin)
    return fastest


def rows(space: str, times: Mapping[str, Mapping[int, float]], busy: float) -> list[dict[str, Any]]:
    """A row for each runtime: its times beside onnxruntime's, and how it ranks the networks beside the others."""
    found = []
    for title, own in times.items():
        base = times["onnxruntime"]
        row: dict[str, Any] = {"space": space, "runtime": title, "networks": len(own), "ms": median(own.values())}
        row["x onnxruntime"] = median(own[number] / base[number] for number in own)
        for number, other in enumerate(("onnxruntime", "onnxruntime int8", "openvino", "ncnn", "pytorch", "executorch")):
            shared = sorted(set(own) & set(times.get(other, {})))
            ranked = len(shared) > 2 and other != title
            pair = spearmanr([own[n] for n in shared], [times[other][n] for n in shared]).statistic if ranked else None
            row[("rank: " if number == 0 else "") + other] = None if pair is None else float(pair)
        row["busy beside"] = busy
        found.append(row)
    return found


if __name__ == "__main__":
    main()
