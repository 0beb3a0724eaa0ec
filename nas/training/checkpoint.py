"""Training state in one safetensors file: weights, optimiser state, and where training stands.

Random numbers need no saving: every step makes its generators from the seed and its own number.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas.base.errors import NasError
from nas.supernet.weights import load_tensors, save_tensors

FORMAT = "1"
WEIGHTS, OPTIMISER = "weights/", "optimiser/"


def save_checkpoint(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer | None, facts: dict[str, Any]) -> None:
    """Write weights, optimiser state and JSON facts, whole or not at all."""
    tensors = {WEIGHTS + name: value for name, value in network.state_dict().items()}
    if optimiser is not None:
        for name, parameter in network.named_parameters():
            for key, value in optimiser.state.get(parameter, {}).items():
                if value is not None:
                    tensors[f"{OPTIMISER}{name}/{key}"] = torch.as_tensor(value)
    save_tensors(path, tensors, {"format": FORMAT, "facts": json.dumps(facts)})


def load_checkpoint(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer | None) -> dict[str, Any]:
    """Read a checkpoint into a network, and into an optimiser where one is given; returns its facts.

    Raises:
        NasError: missing, truncated, of another version, or of another network.
    """
    tensors, metadata = load_tensors(path, "checkpoint")
    if metadata.get("format") != FORMAT:
        raise NasError(f"checkpoint {path} has format {metadata.get('format', 'unknown')}; this version reads format {FORMAT}")
    weights = {name.removeprefix(WEIGHTS): value for name, value in tensors.items() if name.startswith(WEIGHTS)}
    own = network.state_dict()
    wrong = sorted(set(weights) ^ set(own)) or [name for name in own if own[name].shape != weights[name].shape]
    if wrong:
        raise NasError(
            f"checkpoint {path} holds another network: '{wrong[0]}' does not match; was it trained on another space, "
            "or for another number of classes or channels?"
        )
    network.load_state_dict(weights)
    if optimiser is not None:
        _load_optimiser(network, optimiser, tensors)
    facts: dict[str, Any] = json.loads(metadata["facts"])
    return facts


def _load_optimiser(network: nn.Module, optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    for name, parameter in network.named_parameters():
        prefix = f"{OPTIMISER}{name}/"
        for key, value in tensors.items():
            if key.startswith(prefix):
                # The parameter's own memory layout, so that a resumed step does the same arithmetic in the same order.
                same = value.shape == parameter.shape
                like = torch.empty_like(parameter if same else value, device=parameter.device)
                optimiser.state[parameter][key.removeprefix(prefix)] = like.copy_(value).detach()
