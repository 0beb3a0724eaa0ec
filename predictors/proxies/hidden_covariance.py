"""How different the hidden units of an untrained recurrent network are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from nas.base.errors import NasError
from nas.predicting.proxy import NotDefined, Proxy
from predictors.proxies.correlation import diversity

States = list[torch.Tensor]
"""The hidden states (N, H) that enter the steps of one layer."""


class HiddenCovariance(Proxy):
    """-sum(log(v + k) + 1 / (v + k)) over the eigenvalues v of the correlations between the hidden units of a layer, k = 1e-5.

    A row of the correlations is a unit of the state that enters each step, over all sequences and steps. Layers are those of
    RNN, LSTM and GRU, and each cell module is a layer, in order of execution. A larger score goes with a lower loss.

    Args:
        layer: which layer, counted from 1 (the paper's strongest is the first).
    """

    summary = "how differently the hidden units of a recurrent layer behave"
    source = "Serianni & Kalita, Training-free neural architecture search for RNNs and Transformers, 2023"
    needs_data = True
    batch_statistics = False

    def __init__(self, layer: int = 1) -> None:
        self.layer = layer

    def measure(self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> float:
        """See `Proxy.measure`."""
        layers: dict[tuple[nn.Module, int], States] = {}

        def enter(module: nn.Module, args: tuple[Any, ...]) -> None:
            if isinstance(module, nn.RNNBase):
                for index, states in enumerate(entering(module, *args)):
                    layers.setdefault((module, index), []).extend(states)
            elif isinstance(module, nn.RNNCellBase):
                layers.setdefault((module, 0), []).append(_entering_cell(module, *args))

        recurrent = [module for module in network.modules() if isinstance(module, nn.RNNBase | nn.RNNCellBase)]
        hooks = [module.register_forward_pre_hook(enter) for module in recurrent]
        try:
            with torch.no_grad():
                network(images)
        finally:
            for hook in hooks:
                hook.remove()
        if not layers:
            raise NotDefined("hidden-covariance", "it has no recurrent layer", "synflow", "naswot", "jacob-cov", "snip")
        if not 1 <= self.layer <= len(layers):
            raise NasError(f"hidden-covariance: layer {self.layer} is asked for; the network has layers 1 to {len(layers)}")
        states = torch.stack(list(layers.values())[self.layer - 1])  # (T, N, H)
        return diversity(states.flatten(0, 1).T)


def entering(module: nn.RNNBase, x: torch.Tensor, given: Any = None) -> Iterator[States]:
    """For each layer of a recurrent module the states that enter its steps; of both directions side by side.

    Raises:
        NotDefined: sequences of different lengths, packed into one tensor.
    """
    if not isinstance(x, torch.Tensor):
        raise NotDefined("hidden-covariance", "its sequences are packed; give sequences of one length")
    kind: Any = type(module)
    directions = 2 if module.bidirectional else 1
    options: dict[str, Any] = {"bias": module.bias, "bidirectional": module.bidirectional}
    if isinstance(module, nn.RNN):
        options["nonlinearity"] = module.nonlinearity
    if module.proj_size:
        options["proj_size"] = module.proj_size
    x = x.transpose(0, 1) if module.batch_first and x.ndim == 3 else x
    x = x if x.ndim == 3 else x[:, None]
    for layer in range(module.num_layers):
        own = {name: value for name, value in module.named_parameters() if name.removesuffix("_reverse").endswith(f"_l{layer}")}
        renamed: dict[str, torch.Tensor] = {name.replace(f"_l{layer}", "_l0"): value for name, value in own.items()}
        with torch.device("meta"):
            single = kind(x.shape[-1], module.hidden_size, **options)
        whole: Any = None
        if given is not None:
            parts = given if isinstance(given, tuple) else (given,)
            cut = [p.reshape(-1, x.shape[1], p.shape[-1])[directions * layer :][:directions] for p in parts]
            whole = tuple(cut) if isinstance(given, tuple) else cut[0]
        x, _ = functional_call(single, renamed, (x,) if whole is None else (x, whole))
        first = x.new_zeros(directions, x.shape[1], x.shape[2] // directions)
        if whole is not None:
            first = whole[0] if isinstance(whole, tuple) else whole
        forward, *backward = x.chunk(directions, -1)
        states = [torch.cat([first[:1], forward[:-1]])]
        states += [torch.cat([each[1:], first[1:]]) for each in backward]
        yield list(torch.cat(states, -1))


def _entering_cell(module: nn.RNNCellBase, x: torch.Tensor, given: Any = None) -> torch.Tensor:
    """(N, H): the state that enters one step of a cell."""
    if given is None:
        return x.new_zeros(*x.shape[:-1], module.hidden_size).reshape(-1, module.hidden_size)
    state: torch.Tensor = given[0] if isinstance(given, tuple | list) else given
    return state.detach().reshape(-1, module.hidden_size)
