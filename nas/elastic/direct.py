"""Gradients of a sub-network added straight into those of the whole supernet.

Slicing through autograd zero-fills a gradient of full size for every slice of every step. Here each slice is a leaf tensor
that shares the memory of its parameter, and its gradient is a slice of one preallocated full gradient, so that autograd's
accumulation adds in place. Views are kept for each setting, which makes switching sub-networks a dictionary look-up.

Second-order gradients, tensor hooks and data-parallel reducers would see the slices instead of the parameters: what needs
those uses the ordinary path, which is in force whenever this object is not attached.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from nas.elastic.layer import ElasticLayer, Setting


class DirectGradients:
    """Attach to a network before training it, detach after.

    A step is: `begin()`, any number of forward and backward passes, `end()`, then the optimiser. Parameters that no pass
    used have no gradient, so that weight decay and momentum leave them alone.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self._layers = [module for module in network.modules() if isinstance(module, ElasticLayer)]
        self._full: dict[ElasticLayer, tuple[tuple[nn.Parameter, torch.Tensor] | None, ...]] = {}
        self._views: dict[ElasticLayer, dict[Setting, tuple[torch.Tensor | None, ...]]] = {}
        self._used: dict[ElasticLayer, None] = {}
        elastic: set[int] = set()
        for layer in self._layers:
            self._views[layer] = {}
            entries: list[tuple[nn.Parameter, torch.Tensor] | None] = []
            for parameter in layer._parameters.values():
                if parameter is None or not parameter.requires_grad:
                    entries.append(None)
                    continue
                entries.append((parameter, torch.zeros_like(parameter)))
                elastic.add(id(parameter))
            self._full[layer] = tuple(entries)
        self._plain = [parameter for parameter in network.parameters() if id(parameter) not in elastic]

    def __enter__(self) -> DirectGradients:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        # The centre of a kernel is no dense tensor, which autograd remarks on once; adding in place is what is wanted.
        warnings.filterwarnings("ignore", message="grad and param do not obey the gradient layout contract")
        for layer in self._layers:
            layer._direct = self
            if layer.setting is not None:
                layer.activate(layer.setting)
        return self

    def __exit__(self, *_: Any) -> None:
        self._warnings.__exit__(None, None, None)
        for layer in self._layers:
            layer._direct = None
            layer._parts = ()
        for parameter, _gradient in self._trained(self._layers):
            parameter.grad = None

    def begin(self) -> None:
        """Forget the gradients of the step before."""
        used = [gradient for _, gradient in self._trained(self._used)]
        if used:
            torch._foreach_zero_(used)
        for parameter, _gradient in self._trained(self._used):
            parameter.grad = None
        for parameter in self._plain:
            parameter.grad = None
        self._used.clear()

    def end(self) -> None:
        """Hand the gradients of the parameters in use to the optimiser."""
        for parameter, gradient in self._trained(self._used):
            parameter.grad = gradient

    def touch(self, layer: ElasticLayer) -> None:
        """Note that a pass uses this layer; one without gradients leaves nothing for the optimiser."""
        if torch.is_grad_enabled():
            self._used[layer] = None

    def parts(self, layer: ElasticLayer, setting: Setting) -> tuple[torch.Tensor | None, ...]:
        """The views of a setting, made once."""
        views = self._views[layer]
        found = views.get(setting)
        if found is None:
            found = views[setting] = tuple(self._build(layer, setting))
        return found

    def _build(self, layer: ElasticLayer, setting: Setting) -> Iterator[torch.Tensor | None]:
        for (name, cut), entry in zip(layer.cuts(setting).items(), self._full[layer], strict=True):
            parameter = layer._parameters[name]
            if parameter is None:
                yield None
                continue
            view = parameter.detach()[cut]
            if entry is not None:
                view.requires_grad_()
                view.grad = entry[1][cut]
            yield view

    def _trained(self, layers: Any) -> Iterator[tuple[nn.Parameter, torch.Tensor]]:
        for layer in layers:
            for entry in self._full[layer]:
                if entry is not None:
                    yield entry
