"""Batch-norm statistics of a sub-network: how much longer they take than evaluating it on the same images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from recording import alternate, arguments, ratio, record

from nas.supernet import Statistics, Supernet, open_space

BATCH, BATCHES, CLASSES = 64, 2, 10


def evaluation(supernet: Supernet, statistics: Statistics, batches: Sequence[torch.Tensor]) -> Callable[[], None]:
    """A plain pass over the images."""

    @torch.no_grad()
    def evaluate() -> None:
        with supernet.using(statistics):
            for images in batches:
                supernet(images)

    return evaluate


def main() -> None:
    """Measure and record."""
    rounds = arguments(__doc__, rounds=11).rounds
    random = torch.Generator().manual_seed(0)
    space = open_space("mbconv")
    architectures = {"smallest": space.encode([space.smallest])[0], "largest": space.encode([space.largest])[0]}
    sampled = space.decisions.sample(np.random.default_rng(0), 2)
    architectures |= {f"random {number}": row for number, row in enumerate(sampled, 1)}
    figures: list[dict[str, Any]] = []
    for resolution in (32, 96):
        supernet = space.supernet(3, resolution, CLASSES).eval()
        supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        shape = (BATCH, 3, resolution, resolution)
        drawn = [torch.randn(shape, generator=random) for _ in range(BATCHES)]
        batches = [images.contiguous(memory_format=torch.channels_last) for images in drawn]
        for name, row in architectures.items():
            supernet.activate(row)
            plain = evaluation(supernet, supernet.calibrate(batches), batches)
            times = alternate({"calibrate": partial(supernet.calibrate, batches), "evaluate": plain}, rounds)
            ms = {side: 1e3 * median(measured) for side, measured in times.items()}
            figures.append(
                {
                    "what": f"{resolution} px, {name}",
                    "calibrate_ms": ms["calibrate"],
                    "evaluate_ms": ms["evaluate"],
                    "ratio": ratio(times, "calibrate", "evaluate"),
                }
            )
    record(__file__, figures, space=space.name, batch=BATCH, batches=BATCHES, rounds=rounds)


if __name__ == "__main__":
    main()
