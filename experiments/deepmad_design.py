"""DeepMAD under the budget of ResNet-18: the entropy of a design, and how long one takes.

The strategy `deepmad` with its defaults (population 256, 500,000 networks, effectiveness at most 0.3) in the space
`mad:bottleneck` at 224 px. Two budgets: that of the paper, 11.69 M parameters and 1.82 G multiply-adds, of which the
authors count some for activations and pools; and what the published network has by our count, which is a little less.
Beside it the published network. Seconds are those of the processor, with nothing but the space's definition at hand.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from recording import arguments, record

from nas.architectures import Bound
from nas.searching import Problem
from nas.searching.strategies.deepmad import DeepMad
from nas.supernet import open_space

PUBLISHED = "deepmad-r18"


def main() -> None:
    """Measure and record."""
    rounds = arguments(__doc__, rounds=3).rounds
    space = open_space("mad:bottleneck")
    known = space.known[PUBLISHED]
    budgets = {
        "resnet-18": {"params": 11.69e6, "macs": 1.82e9},
        PUBLISHED: {metric: float(space.cost(metric, known)) for metric in ("params", "macs")},
    }
    figures: list[dict[str, Any]] = []
    for name, limits in budgets.items():
        bounds = [Bound(metric, limit, space.compiled(metric), "{:g}".format) for metric, limit in limits.items()]
        problem = Problem(space.decisions, bounds, operators=space.counting_walk)
        found, seconds = [], []
        for seed in range(rounds):
            start = time.process_time()
            strategy = DeepMad(problem, seed)
            found.append(strategy.design())
            seconds.append(time.process_time() - start)
        published = strategy.entropy(space.encode([known]))
        entropies = [float(one.figures.entropy[0]) for one in found]
        first = found[0]
        figures.append(
            {
                "budget": name,
                "published_entropy": float(published.entropy[0]),
                "entropy_median": median(entropies),
                "entropy_least": min(entropies),
                "effectiveness": float(first.figures.effectiveness[0]),
                "macs": float(space.cost("macs", first.rows[:1])[0]),
                "params": float(space.cost("params", first.rows[:1])[0]),
                "seconds": median(seconds),
                "design": " ".join(str(option) for _, option in space.decode(first.rows[:1])[0].decisions),
            }
        )
    record(__file__, figures, candidates=first.candidates, population=len(first.rows), seeds=rounds)


if __name__ == "__main__":
    main()
