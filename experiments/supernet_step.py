"""One training step of a sub-network: inside the supernet, and as the static network it would be by itself.

Forward, cross-entropy, backward, fused SGD with momentum and weight decay, channels-last. Also how long it takes to
switch the supernet from one sub-network to another, with settings never seen before and with settings seen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from recording import alternate, arguments, ratio, record, seconds
from torch import nn

from nas.architectures.decisions import Rows
from nas.elastic import DirectGradients
from nas.supernet import Supernet, open_space

BATCH, RESOLUTION, CLASSES, SWITCHES = 32, 96, 1000, 200


def optimizer(network: nn.Module) -> torch.optim.Optimizer:
    """Fused SGD over all parameters, with momenta from the start: a step may use some parameters for the first time."""
    sgd = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, weight_decay=4e-5, fused=True)
    for parameter in network.parameters():
        sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return sgd


def static_step(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    """A step in plain torch."""
    sgd = optimizer(network)

    def step() -> None:
        sgd.zero_grad(set_to_none=True)
        F.cross_entropy(network(images), labels).backward()
        sgd.step()

    return step


def elastic_step(
    supernet: Supernet, sgd: torch.optim.Optimizer, direct: DirectGradients, images: torch.Tensor, labels: torch.Tensor
) -> Callable[[], None]:
    """A step of the active sub-network inside the supernet."""

    def step() -> None:
        direct.begin()
        F.cross_entropy(supernet(images), labels).backward()
        direct.end()
        sgd.step()

    return step


def switching(supernet: Supernet, rows: Rows) -> float:
    """Median milliseconds to activate one of the rows."""
    return 1e3 * median(seconds(partial(supernet.activate, row)) for row in rows)


def main() -> None:
    """Measure and record."""
    rounds = arguments(__doc__, rounds=25).rounds
    random = torch.Generator().manual_seed(0)
    space = open_space("mbconv")
    supernet = space.supernet(3, RESOLUTION, CLASSES).train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    shape = (BATCH, 3, RESOLUTION, RESOLUTION)
    images = torch.randn(shape, generator=random).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (BATCH,), generator=random)
    sampled = space.decisions.sample(np.random.default_rng(0), 3)
    architectures = {"smallest": space.encode([space.smallest])[0], "largest": space.encode([space.largest])[0]}
    architectures |= {f"random {number}": row for number, row in enumerate(sampled, 1)}
    figures: list[dict[str, object]] = []
    statics = {name: supernet.extract(row).train() for name, row in architectures.items()}
    with DirectGradients(supernet) as direct:
        sgd = optimizer(supernet)
        for name, row in architectures.items():
            static = statics[name].to(memory_format=torch.channels_last)
            supernet.activate(row)
            sides = {
                "supernet": elastic_step(supernet, sgd, direct, images, labels),
                "static": static_step(static, images, labels),
            }
            times = alternate(sides, rounds)
            ms = {side: 1e3 * median(measured) for side, measured in times.items()}
            figures.append(
                {
                    "what": name,
                    "supernet_ms": ms["supernet"],
                    "static_ms": ms["static"],
                    "ratio": ratio(times, "supernet", "static"),
                }
            )
        rows = space.decisions.sample(np.random.default_rng(1), SWITCHES)
        figures.append({"what": "switch, unseen", "supernet_ms": switching(supernet, rows)})
        figures.append({"what": "switch, seen", "supernet_ms": switching(supernet, rows)})
    record(__file__, figures, space=space.name, batch=BATCH, resolution=RESOLUTION, classes=CLASSES, rounds=rounds)


if __name__ == "__main__":
    main()
