"""Training state in one safetensors file: weights, optimiser state, and where training stands.

Random numbers need no saving: every step makes its generators from the seed and its own number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas.base.errors import NasError
from nas.base.json_text import parsed
from nas.supernet.weights import load_metadata, load_tensor, load_tensors, save_tensors

FORMAT = "1"
WEIGHTS, OPTIMISER = "weights/", "optimiser/"
LOSSES = "losses"
"""The fact that is a list of floats, one for each step of a training that may have millions: kept as a tensor."""

Parts = Mapping[str, tuple[nn.Module, torch.optim.Optimizer | None]]
"""Modules by name, each with the optimiser of its parameters where it has one. A module may appear again with another
optimiser; its weights are kept once."""


def save_checkpoint(
    path: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer | None,
    facts: dict[str, Any],
    parts: Parts | None = None,
) -> None:
    """Write weights, optimiser state and JSON facts, and those of further parts of a training, whole or not at all."""
    tensors: dict[str, torch.Tensor] = {}
    every = _all(network, optimiser, parts)
    for prefix, module in _once(every).items():
        tensors |= {f"{prefix}{WEIGHTS}{name}": value for name, value in module.state_dict().items()}
    for prefix, (module, its_optimiser) in every.items():
        if its_optimiser is None:
            continue
        for name, parameter in module.named_parameters():
            for key, value in its_optimiser.state.get(parameter, {}).items():
                if value is not None:
                    tensors[f"{prefix}{OPTIMISER}{name}/{key}"] = torch.as_tensor(value)
    if LOSSES in facts:
        tensors[LOSSES] = torch.tensor(facts[LOSSES], dtype=torch.float64)
    short = {name: fact for name, fact in facts.items() if name != LOSSES}
    save_tensors(path, tensors, {"format": FORMAT, "facts": json.dumps(short)})


def read_facts(path: Path) -> dict[str, Any]:
    """The facts of a checkpoint but the losses. Raises NasError where it is missing, truncated or of another version."""
    return _facts(path, load_metadata(path, "checkpoint"))


def read_losses(path: Path) -> list[float]:
    """The losses of all steps that a checkpoint knows. Raises NasError as `read_facts` does."""
    found = load_tensor(path, LOSSES, "checkpoint")
    return [] if found is None else [float(loss) for loss in found.tolist()]


def load_checkpoint(
    path: Path, network: nn.Module, optimiser: torch.optim.Optimizer | None, parts: Parts | None = None
) -> dict[str, Any]:
    """Read a checkpoint into a network and further parts, and into their optimisers; returns its facts.

    Raises:
        NasError: missing, truncated, of another version, or of another network.
    """
    tensors, metadata = load_tensors(path, "checkpoint")
    facts = _facts(path, metadata)
    if LOSSES in tensors:
        facts[LOSSES] = tensors[LOSSES].tolist()
    every = _all(network, optimiser, parts)
    weights = {prefix: _under(prefix + WEIGHTS, tensors) for prefix in _once(every)}
    for prefix, module in _once(every).items():
        own = module.state_dict()
        wrong = sorted(set(weights[prefix]) ^ set(own)) or [
            name for name in own if own[name].shape != weights[prefix][name].shape
        ]
        if wrong:
            raise NasError(
                f"checkpoint {path} holds another network: '{wrong[0]}' does not match; was it trained on another space, "
                "or for another number of classes or channels?"
            )
    for prefix, module in _once(every).items():
        module.load_state_dict(weights[prefix])
    for prefix, (module, its_optimiser) in every.items():
        if its_optimiser is not None:
            _load_optimiser(module, its_optimiser, _under(prefix + OPTIMISER, tensors))
    return facts


def _facts(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if metadata.get("format") != FORMAT:
        raise NasError(f"checkpoint {path} has format {metadata.get('format', 'unknown')}; this version reads format {FORMAT}")
    try:
        facts = parsed(metadata["facts"])
    except (KeyError, ValueError) as error:
        raise NasError(f"checkpoint {path} is damaged: {type(error).__name__}: {error}") from error
    if not isinstance(facts, dict):
        raise NasError(f"checkpoint {path} is damaged: it does not say what it is")
    return facts


def _all(network: nn.Module, optimiser: torch.optim.Optimizer | None, parts: Parts | None) -> Parts:
    """Everything by the prefix of its tensors."""
    return {"": (network, optimiser), **{f"{name}/": part for name, part in (parts or {}).items()}}


def _once(every: Parts) -> dict[str, nn.Module]:
    """Each module under the first prefix that it has."""
    first: dict[int, str] = {}
    for prefix, (module, _) in every.items():
        first.setdefault(id(module), prefix)
    return {prefix: every[prefix][0] for prefix in first.values()}


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _load_optimiser(module: nn.Module, optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    for name, parameter in module.named_parameters():
        for key, value in _under(f"{name}/", tensors).items():
            # The parameter's own memory layout, so that a resumed step does the same arithmetic in the same order.
            same = value.shape == parameter.shape
            like = torch.empty_like(parameter if same else value, device=parameter.device)
            optimiser.state[parameter][key] = like.copy_(value).detach()
