"""Latency on a device of which few networks were measured, transferred from devices of which all are known.

On NAS-Bench-201 each of nine devices is left out once: the eight others are known for all 15,625 networks, and of the one left
out 5, 10 or 20 networks are measured, chosen as `nas devices propose` chooses (from pools of 2,000 random ones) or at random.
What is compared is Spearman's correlation on all networks that were not measured. Networks are made of counts of the five
operators over the six edges of a cell, as the benchmark built them: edges that lead nowhere were measured, too. Beside it are
multiply-adds counted the same way, and the mean of the known devices.

On FBNet's space four devices have tables of operators; networks are sums of these, for 2,000 random networks.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recording import RESULTS, record
from scipy.stats import spearmanr

from nas.base.seeds import generator
from nas.costs import Transfer

SIZES = (5, 10, 20)
POOL = 2000
OPERATORS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
WEIGHTS = np.array([0.0, 0.0, 1.0, 9.0, 0.0])
"""Multiply-adds of each operator, relative to a 1 x 1 convolution."""


@dataclass(frozen=True)
class Networks:
    """A benchmark: latencies (N, D) by device, parts (N, F), and what stands for multiply-adds, (N,), where it is known."""

    space: str
    devices: tuple[str, ...]
    milliseconds: np.ndarray
    parts: np.ndarray
    macs: np.ndarray | None


def nas_bench_201(path: Path) -> Networks:
    """All cells with their latencies."""
    with gzip.open(path, "rt", newline="") as file:
        lines = list(csv.DictReader(file))
    columns = [name for name in lines[0] if name.endswith("_ms")]
    cells = [[word.partition("~")[0] for word in line["arch"].split("|") if "~" in word] for line in lines]
    parts = np.array([[cell.count(operator) for operator in OPERATORS] for cell in cells], dtype=np.float64)
    milliseconds = np.array([[float(line[name]) for name in columns] for line in lines])
    names = tuple(name.removesuffix("_ms") for name in columns)
    return Networks("NAS-Bench-201", names, milliseconds, parts, parts @ WEIGHTS)


def fbnet(folder: Path, seed: int) -> Networks:
    """Random networks of FBNet's space, as sums of the operators of four tables."""
    files = sorted(folder.glob("fbnet-*.csv"))
    tables, constants = [], []
    for path in files:
        with path.open(newline="") as file:
            lines = list(csv.reader(file))[1:]
        tables.append(np.array([[float(cell) for cell in line[1:]] for line in lines if line[0].isdigit()]))
        constants.append(sum(float(cell) for line in lines if line[0] == "const" for cell in line[1:] if cell))
    every = np.stack(tables, axis=-1)
    layers, blocks, devices = every.shape
    drawn = generator(seed, "fbnet").integers(0, blocks, (POOL, layers))
    hot = np.eye(blocks)[drawn].reshape(POOL, -1)
    milliseconds = hot @ every.reshape(-1, devices) + np.array(constants)
    typical = (every / milliseconds.mean(axis=0)).mean(axis=-1).reshape(-1)
    constant = np.mean(np.array(constants) / milliseconds.mean(axis=0))
    parts = np.concatenate([hot * typical, np.full((POOL, 1), constant)], axis=1)
    return Networks("FBNet", tuple(path.stem.removeprefix("fbnet-") for path in files), milliseconds, parts, None)


def study(networks: Networks, draws: int, seed: int) -> list[dict[str, Any]]:
    """A line of figures for each device and their mean, by number of networks measured and way of choosing them."""
    devices = range(len(networks.devices))
    figures = []
    for size in SIZES:
        for chosen in ("chosen", "random"):
            found = [[trial(networks, device, size, chosen, (seed, draw)) for draw in range(draws)] for device in devices]
            figures += _lines(networks, size, chosen, np.array(found))
            print(figures[-1], flush=True)
    truths = networks.milliseconds.T
    if networks.macs is not None:
        figures += _lines(networks, 0, "multiply-adds", np.array([[_spearman(networks.macs, truth)] for truth in truths]))
    scaled = networks.milliseconds / networks.milliseconds.mean(axis=0)
    means = [np.delete(scaled, device, axis=1).mean(axis=1) for device in devices]
    others = [[_spearman(mean, truth)] for mean, truth in zip(means, truths, strict=True)]
    return figures + _lines(networks, 0, "mean of known devices", np.array(others))


def trial(networks: Networks, device: int, size: int, chosen: str, seed: tuple[int, int]) -> float:
    """Spearman's correlation on all networks but those that were measured on the device."""
    known, truth, parts = np.delete(networks.milliseconds, device, axis=1), networks.milliseconds[:, device], networks.parts
    rng = generator(seed[0], networks.space, networks.devices[device], seed[1])
    pool = rng.permutation(len(truth))[:POOL]
    transfer = Transfer(known[pool], parts[pool])
    rows = pool[:size] if chosen == "random" else pool[transfer.choose(known[pool], parts[pool], size)]
    found = transfer.fit(known[rows], parts[rows], truth[rows])
    rest = np.setdiff1d(np.arange(len(truth)), rows)
    return _spearman(found(known[rest], parts[rest]), truth[rest])


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    return float(spearmanr(one, other).statistic)


def _lines(networks: Networks, size: int, what: str, found: np.ndarray) -> list[dict[str, Any]]:
    """Figures of (D, draws) correlations, the mean of the devices last."""
    sides = [*zip(networks.devices, found, strict=True), ("mean", found.mean(axis=0))]
    told = {"space": networks.space, "measured": size, "networks": what}
    return [{**told, "device": name, "spearman": float(side.mean()), "deviation": float(side.std())} for name, side in sides]


def plot(figures: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Each device of NAS-Bench-201: multiply-adds alone, and transfer from 5, 10 and 20 chosen networks."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panel, axis = pyplot.subplots(figsize=(9.6, 4.2))
    found = {(row["networks"], row["measured"], row["device"]): row["spearman"] for row in figures}
    sides = [("multiply-adds", 0), *(("chosen", size) for size in SIZES)]
    places = np.arange(len(names) + 1)
    for number, (what, size) in enumerate(sides):
        label = "multiply-adds alone" if not size else f"transfer, {size} networks measured"
        values = [found[what, size, name] for name in (*names, "mean")]
        axis.bar(places + 0.2 * (number - 1.5), values, 0.19, label=label, color=f"C{number}")
    axis.set_xticks(places, [*names, "mean"], rotation=20)
    axis.set(ylabel="Spearman on networks not measured", ylim=(0.3, 1.0), title="NAS-Bench-201, each device left out once")
    axis.grid(axis="y", color="0.9")
    axis.set_axisbelow(True)
    axis.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=4, frameon=False)
    panel.tight_layout()
    panel.savefig(RESULTS / "latency_transfer.png", dpi=100)


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--benchmark", type=Path, required=True, help="nas-bench-201.csv.gz")
    parser.add_argument("--tables", type=Path, required=True, help="folder with fbnet-raspi4.csv and its like")
    parser.add_argument("--draws", type=int, default=50, help="choices of networks to measure (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cells = nas_bench_201(given.benchmark)
    figures = study(cells, given.draws, given.seed)
    plot(figures, cells.devices)
    figures += study(fbnet(given.tables, given.seed), given.draws, given.seed)
    record(__file__, figures, pool=POOL, draws=given.draws, seed=given.seed)


if __name__ == "__main__":
    main()
