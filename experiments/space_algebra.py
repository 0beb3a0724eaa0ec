"""Sampling, encoding and costing 100,000 architectures of every space with a supernet.

On rows: sampling, one-hot encoding, multiply-adds and parameters. As objects, which stand at the borders of a search only:
decoding the same rows into architectures, and encoding these again. What is compiled once for a space is timed apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from recording import arguments, record

from nas.supernet import Space, open_space, space_names

COUNT = 100_000
OBJECTS = 10_000


def timed(times: dict[str, list[float]], name: str, side: Callable[[], Any]) -> Any:
    """The result of a call, whose seconds are noted."""
    start = time.perf_counter()
    result = side()
    times.setdefault(name, []).append(time.perf_counter() - start)
    return result


def measure(name: str, rounds: int) -> dict[str, Any] | None:
    """Medians over the rounds for one space; None where each network is built by itself."""
    times: dict[str, list[float]] = {}
    space: Space = timed(times, "open", lambda: open_space(name))
    if space.separate:
        return None
    costs = timed(times, "compile", lambda: [space.compiled(metric) for metric in ("macs", "params")])
    decisions = space.decisions
    for seed in range(rounds + 1):
        rows = timed(times, "sample", lambda seed=seed: decisions.sample(np.random.default_rng(seed), COUNT))
        timed(times, "one_hot", lambda rows=rows: decisions.one_hot(rows))
        timed(times, "macs", lambda rows=rows: costs[0](rows))
        timed(times, "params", lambda rows=rows: costs[1](rows))
        if seed <= 1:
            few = rows[:OBJECTS]
            found = timed(times, "decode", lambda few=few: space.decode(few))
            again = timed(times, "encode", lambda found=found: space.encode(found))
            assert (again == few).all()
    figures = {step: median(values[1:] or values) for step, values in times.items()}
    steps = ("sample", "one_hot", "macs", "params")
    scale = COUNT / OBJECTS
    return {
        "space": name,
        "decisions": len(decisions),
        "open_s": figures["open"],
        "compile_s": figures["compile"],
        **{f"{step}_s": figures[step] for step in steps},
        "rows_s": sum(figures[step] for step in steps),
        "decode_s": figures["decode"] * scale,
        "encode_s": figures["encode"] * scale,
    }


def main() -> None:
    """Measure and record."""
    rounds = arguments(__doc__, rounds=5).rounds
    figures = [found for name in space_names() if (found := measure(name, rounds)) is not None]
    record(__file__, figures, architectures=COUNT, objects_measured=OBJECTS, rounds=rounds)


if __name__ == "__main__":
    main()
