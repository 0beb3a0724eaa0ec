"""One training step of a sub-network: inside the supernet, and as the static network it would be by itself.

Forward, cross-entropy, backward, fused SGD with momentum and weight decay, channels-last. A sandwich step (largest, two random,
smallest, the last three learning from the first) is held against the sum of the steps of its four static networks. Also how
long it takes to switch the supernet from one sub-network to another, with settings never seen before and with settings seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

CLASSES, SWITCHES = 1000, 200


@dataclass(frozen=True)
class Case:
    """A space with the side of its images and the images of a step."""

    space: str
    resolution: int
    batch: int
    sandwich: bool = False


CASES = (Case("mbconv:single-path", 96, 32), Case("mbconv:ofa", 96, 32, sandwich=True), Case("vit:autoformer-t", 224, 8))

Loss = Callable[[torch.Tensor], torch.Tensor]
"""Scores (N, classes) -> scalar."""


def optimizer(network: nn.Module) -> torch.optim.Optimizer:
    """Fused SGD over all parameters, with momenta from the start: a step may use some parameters for the first time."""
    sgd = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, weight_decay=4e-5, fused=True)
    for parameter in network.parameters():
        sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return sgd


def static_step(network: nn.Module, images: torch.Tensor, loss: Loss) -> Callable[[], None]:
    """A step in plain torch."""
    sgd = optimizer(network)

    def step() -> None:
        sgd.zero_grad(set_to_none=True)
        loss(network(images)).backward()
        sgd.step()

    return step


def elastic_step(
    supernet: Supernet,
    sgd: torch.optim.Optimizer,
    direct: DirectGradients,
    images: torch.Tensor,
    passes: Sequence[tuple[np.ndarray, Loss]],
) -> Callable[[], None]:
    """A step inside the supernet: the gradients of one or several sub-networks, each with its loss."""

    def step() -> None:
        direct.begin()
        for row, loss in passes:
            supernet.activate(row)
            loss(supernet(images)).backward()
        direct.end()
        sgd.step()

    return step


def switching(supernet: Supernet, rows: Rows) -> float:
    """Median milliseconds to activate one of the rows."""
    return 1e3 * median(seconds(partial(supernet.activate, row)) for row in rows)


def measure(case: Case, rounds: int) -> list[dict[str, object]]:
    """The figures of one space."""
    random = torch.Generator().manual_seed(0)
    space = open_space(case.space)
    supernet = space.supernet(3, case.resolution, CLASSES).train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    shape = (case.batch, 3, case.resolution, case.resolution)
    images = torch.randn(shape, generator=random).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (case.batch,), generator=random)
    teacher = torch.randn((case.batch, CLASSES), generator=random).softmax(1)
    sampled = space.decisions.sample(np.random.default_rng(0), 3)
    rows = {"smallest": space.encode([space.smallest])[0], "largest": space.encode([space.largest])[0]}
    rows |= {f"random {number}": row for number, row in enumerate(sampled, 1)}
    losses: dict[str, Loss] = {name: lambda scores: F.cross_entropy(scores, labels) for name in rows}
    figures: list[dict[str, object]] = []

    def compare(what: str, names: Sequence[str], losses: dict[str, Loss]) -> None:
        statics = [supernet.extract(rows[name]).train().to(memory_format=torch.channels_last) for name in names]  # type: ignore[call-overload]
        steps = [static_step(network, images, losses[name]) for network, name in zip(statics, names, strict=True)]

        def all_statics() -> None:
            for step in steps:
                step()

        with DirectGradients(supernet) as direct:
            passes = [(rows[name], losses[name]) for name in names]
            sides = {"supernet": elastic_step(supernet, sgd, direct, images, passes), "static": all_statics}
            times = alternate(sides, rounds)
        ms = {side: 1e3 * median(measured) for side, measured in times.items()}
        ratios = ratio(times, "supernet", "static")
        figures.append(
            {"space": case.space, "what": what, "supernet_ms": ms["supernet"], "static_ms": ms["static"], "ratio": ratios}
        )

    sgd = optimizer(supernet)
    for name in rows:
        compare(name, [name], losses)
    if case.sandwich:
        soft: dict[str, Loss] = {name: lambda scores: F.cross_entropy(scores, teacher) for name in rows}
        compare("sandwich", ["largest", "random 1", "random 2", "smallest"], {**soft, "largest": losses["largest"]})
    with DirectGradients(supernet):
        unseen = space.decisions.sample(np.random.default_rng(1), SWITCHES)
        figures += [
            {"space": case.space, "what": what, "supernet_ms": switching(supernet, unseen)}
            for what in ("switch, unseen", "switch, seen")
        ]
    return figures


def main() -> None:
    """Measure and record."""
    rounds = arguments(__doc__, rounds=15).rounds
    figures = [row for case in CASES for row in measure(case, rounds)]
    settings = {case.space: f"batch {case.batch}, {case.resolution} px" for case in CASES}
    record(__file__, figures, classes=CLASSES, rounds=rounds, **settings)


if __name__ == "__main__":
    main()
