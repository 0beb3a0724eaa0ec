"""How far timings of the same models differ from round to round: a model at a time, or models that take turns.

Some whole random networks of two spaces, and as many of their operators and units, in onnxruntime on one thread. Both protocols
time the same models in every round, one after the other, with eight timed calls of each model; in turns, and with the state of
the machine told apart, is what `nas measure` does. The figures of two halves of the rounds, drawn many times, tell how far a
table would differ if it was measured again, but for a common factor.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from recording import RESULTS, arguments, record, seconds
from scipy.stats import spearmanr

from nas.base.progress import Silent
from nas.measuring import Measurement, Plan, Request, runner
from nas.measuring.common_state import fitted_states, medians
from nas.measuring.host import pin
from nas.measuring.runner import load_loader
from nas.supernet import open_space

SPACES = {"mbconv:single-path": 16, "vit:autoformer-t": 16}
"""Networks of each; so many operators and units beside them, or all."""

ALONE = {"turns": 1, "warmups": 2, "calls": 8}
"""A model at a time: two calls that do not count, and eight that do."""

SPLITS = 100

Times = np.ndarray
"""Rows of (round, model, group, milliseconds)."""


def main() -> None:
    """Convert, time, record."""
    given = arguments(__doc__, rounds=8)
    figures = []
    for name, count in SPACES.items():
        folder = RESULTS / Path(__file__).stem / name.replace(":", "-")
        plan = Measurement(open_space(name), Request(networks=count, rounds=given.rounds)).prepare(folder, Silent())
        pin(plan.threads)
        figures += compared(folder, plan, count, given.rounds)
    record(__file__, figures, rounds=given.rounds, splits=SPLITS)


def compared(folder: Path, plan: Plan, count: int, rounds: int) -> list[dict[str, Any]]:
    """A row for each protocol."""
    loader = load_loader(folder / "loader.py")
    first = next(number for number, model in enumerate(plan.models) if model.network)
    chosen = [*range(min(count, first)), *range(first, len(plan.models))]
    turns, alone = plan.model_dump(), {**plan.model_dump(), **ALONE}
    times: dict[str, list[tuple[int, int, int, float]]] = {"a model at a time": [], "in turns": []}
    spent = dict.fromkeys(times, 0.0)
    order = random.Random(0)
    groups = 0

    def one_at_a_time(group: list[int], at: int) -> None:
        for model in group:
            [(milliseconds, _)] = runner.timed(alone, loader, folder, [model])
            times["a model at a time"].append((at, model, groups, milliseconds))

    def in_turns(group: list[int], at: int) -> None:
        timings = runner.timed(turns, loader, folder, group)
        times["in turns"] += [(at, model, groups, ms) for model, (ms, _) in zip(group, timings, strict=True)]

    sides = [("a model at a time", one_at_a_time), ("in turns", in_turns)]
    for at in range(rounds):
        order.shuffle(chosen)
        for group in runner.groups(chosen, [folder / model.file for model in plan.models]):
            order.shuffle(sides)
            for title, side in sides:
                spent[title] += seconds(lambda side=side, group=group, at=at: side(group, at))
            groups += 1
    found = {title: np.array(rows) for title, rows in times.items()}
    return [
        row(plan.space, "a model at a time", found["a model at a time"], plain, first, spent["a model at a time"]),
        row(plan.space, "in turns", found["in turns"], plain, first, spent["in turns"]),
        row(plan.space, "in turns, state told apart", found["in turns"], apart, first, spent["in turns"]),
    ]


def plain(times: Times) -> np.ndarray:
    """Medians of each model."""
    return medians(times[:, 1].astype(int), times[:, 3])


def apart(times: Times) -> np.ndarray:
    """Medians of each model as in the usual state of the machine."""
    models = times[:, 1].astype(int)
    return medians(models, fitted_states(models, times[:, 2].astype(int), times[:, 3]).usual)


def row(
    space: str, title: str, times: Times, figure: Callable[[Times], np.ndarray], first: int, spent: float
) -> dict[str, Any]:
    """How far the figures of two halves of the rounds differ; from model number `first` on they are networks."""
    rounds = int(times[:, 0].max()) + 1
    differ, ranks = [], []
    for seed in range(SPLITS):
        half = np.isin(times[:, 0], np.random.default_rng(seed).permutation(rounds)[: rounds // 2])
        one, two = figure(times[half]), figure(times[~half])
        ratio = one[one > 0] / two[one > 0]
        differ.append(100 * float(np.abs(ratio / np.median(ratio) - 1).mean()))
        ranks.append(float(spearmanr(one[first:], two[first:]).statistic))
    networks = times[times[:, 1] >= first]
    return {
        "space": space,
        "protocol": title,
        "networks": len(np.unique(networks[:, 1])),
        "halves differ by %": float(np.mean(differ)),
        "Spearman of halves": float(np.mean(ranks)),
        "ms": float(np.median(networks[:, 3])),
        "seconds": spent,
    }


if __name__ == "__main__":
    main()
