"""What this machine can do at best, and how long it takes for a network, through torch."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse

from nas.base.errors import NasError
from nas.costs.roofline import Machine
from nas.measuring.host import processor

SIDE = 1536
"""Of the square matrices whose product shows the peak throughput."""

NUMBERS = 2**25
"""In each vector whose sum shows the bandwidth: 128 MiB of float32, more than caches hold."""

SECONDS = 1.0
"""For which each of the two is repeated; the best repetition counts."""

LEAST, MOST = 5, 50
"""Repetitions."""


def measure_machine(threads: int = 1) -> Machine:
    """Peak float32 throughput and bandwidth of this machine's processor.

    The throughput is that of a product of two square matrices, the bandwidth that of a = b + s c over vectors that no cache
    holds (the triad of McCalpin, STREAM, 1995; two are read and one is written).

    Raises:
        NasError: fewer than one thread, or more than there are processors.
    """
    with _threads(threads), torch.inference_mode():
        left, right = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
        product = torch.empty(SIDE, SIDE)
        throughput = 2 * SIDE**3 / min(_times(lambda: torch.mm(left, right, out=product)))
        first, second, third = (torch.rand(NUMBERS) for _ in range(3))
        bandwidth = 3 * 4 * NUMBERS / min(_times(lambda: torch.add(first, second, alpha=0.5, out=third)))
    return Machine(f"{processor()}, {threads} thread{'s' * (threads > 1)}, measured with torch", throughput, bandwidth)


def measure_network(network: nn.Module, input_shape: tuple[int, int, int], threads: int = 1) -> dict[str, Any]:
    """How long torch takes for one image by a network in float32, batch norms folded.

    Returns:
        {"ms": median, "spread": interquartile range in ms, "count", "what": in words}.
    """
    folded = fuse(network.eval())
    image = torch.randn((1, *input_shape), generator=torch.Generator().manual_seed(0))
    with _threads(threads), torch.inference_mode():
        found = [1e3 * seconds for seconds in _times(lambda: folded(image))]
    quarters = statistics.quantiles(found, n=4)
    return {
        "ms": statistics.median(found),
        "spread": quarters[2] - quarters[0],
        "count": len(found),
        "what": f"measured whole network on {processor()}, torch {torch.__version__}, float32, batch 1, {threads} "
        f"thread{'s' * (threads > 1)}",
    }


def _times(run: Callable[[], object]) -> list[float]:
    """Seconds of each repetition, after two that are not counted."""
    run()
    run()
    found: list[float] = []
    while len(found) < LEAST or (sum(found) < SECONDS and len(found) < MOST):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return found


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    available = os.cpu_count() or 1
    if not 1 <= count <= available:
        raise NasError(f"this machine has {available} processors; --threads is from 1 to {available}, given {count}")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
