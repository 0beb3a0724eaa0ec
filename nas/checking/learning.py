"""Checks of training: gradients reach what is in use and nothing else, and a few steps leave a finite loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nas.base.seeds import integer_seed
from nas.checking.examination import Examination
from nas.checking.passes import differs, run
from nas.checking.report import Finding
from nas.elastic import DirectGradients, ElasticLayer
from nas.supernet.modes import mode

TRIED = 3
STEPS = 3
LEARNING_RATE = 1e-3


def gradients(examination: Examination) -> Iterator[Finding]:
    """A pass through one sub-network leaves gradients in the parameters that it uses, and in no others."""
    network = examination.supernet.network
    for row in examination.rows[:TRIED]:
        network.zero_grad(set_to_none=True)
        used = _in_use(examination, row)
        with examination.active(row) as network, torch.enable_grad():
            run(network, examination.images).square().sum().backward()
            stray = _stray(examination, used)
            if stray:
                yield Finding(
                    "gradients",
                    stray,
                    f"a part that the active sub-network does not use has a gradient ({examination.name(row)})",
                    "let cuts() name exactly the part that forward() reads",
                )
                return
            silent = _that_matters(examination, list(_without_gradient(network, used)))
            if silent:
                yield Finding(
                    "gradients",
                    silent,
                    "the scores depend on this parameter, and no gradient reaches it",
                    "do not detach it or read its .data on the way to the scores",
                )
                return
    network.zero_grad(set_to_none=True)


def _in_use(examination: Examination, row: np.ndarray) -> set[str]:
    """Paths of the modules whose parameters the extracted network has, in this or another form."""
    static = examination.extracted(row)
    owners = {name.rpartition(".")[0] for name, _ in static.named_parameters()}
    return {
        path
        for path, _ in examination.supernet.network.named_modules()
        if any(path == owner or path.startswith(f"{owner}.") for owner in owners)
    }


def _stray(examination: Examination, used: set[str]) -> str:
    """A parameter of the supernet with a gradient where the active sub-network has no weight; '' for none."""
    for path, module in examination.supernet.network.named_modules():
        cuts = module.cuts(module.chosen()) if isinstance(module, ElasticLayer) and module.setting is not None else {}
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.grad is None or (path in used and name not in cuts):
                continue
            outside = parameter.grad.clone()
            if path in used:
                outside[cuts[name]] = 0.0
            if bool(outside.any()):
                return f"{path}.{name}" if path else name
    return ""


def _without_gradient(network: nn.Module, used: set[str]) -> Iterator[tuple[str, nn.Parameter]]:
    for path, module in network.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if path in used and parameter.requires_grad and parameter.grad is None:
                yield f"{path}.{name}" if path else name, parameter


def _that_matters(examination: Examination, parameters: Sequence[tuple[str, nn.Parameter]]) -> str:
    """The first of the parameters with which the scores change; '' where they change with none: what leads nowhere in this
    architecture, such as an operator before one that wipes its input, needs no gradient."""
    while len(parameters) > 1:
        half = parameters[: len(parameters) // 2]
        if _change(examination, half):
            parameters = half
        else:
            parameters = parameters[len(half) :]
            if not _change(examination, parameters):
                return ""
    return parameters[0][0] if parameters and _change(examination, parameters) else ""


@torch.no_grad()
def _change(examination: Examination, parameters: Sequence[tuple[str, nn.Parameter]]) -> bool:
    """Whether the scores change when the parameters do."""
    network = examination.supernet.network
    scores = run(network, examination.images[:2])
    before = [parameter.clone() for _, parameter in parameters]
    try:
        for _, parameter in parameters:
            parameter.add_(1.0 + parameter.abs())
        return differs(scores, run(network, examination.images[:2]), 1e-6)
    finally:
        for (_, parameter), kept in zip(parameters, before, strict=True):
            parameter.copy_(kept)


def training(examination: Examination) -> Iterator[Finding]:
    """A few steps leave a finite loss: of uniform sampling on the supernet, or of one network where there is none."""
    separate = examination.separate
    network = examination.extracted(examination.rows[0]) if separate else examination.supernet.network
    targets = torch.arange(len(examination.images)) % examination.task.classes
    examination.forget()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    losses = []
    try:
        with torch.random.fork_rng(devices=[]), mode(network, True):
            torch.default_generator.manual_seed(integer_seed(examination.seed, "checking/training"))
            optimiser = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
            # Switching back and forth, as training does, with gradients accumulated as training does.
            with DirectGradients(network) as direct:
                for step in range(STEPS):
                    if not separate:
                        examination.supernet.activate(examination.rows[step % len(examination.rows)])
                    direct.begin()
                    loss = F.cross_entropy(run(network, examination.images), targets)
                    losses.append(loss.item())
                    loss.backward()
                    direct.end()
                    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                    optimiser.step()
    finally:
        network.load_state_dict(before)
    if not np.isfinite(losses).all():
        yield Finding(
            "training",
            "the network",
            f"the losses of {STEPS} training steps are {losses}",
            "look for a division by a number that can be zero, and for weights that start too large",
        )
