"""One sub-network as a plain torch module."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from nas.elastic import ElasticLayer
from nas.elastic.drop_path import DropPath
from nas.elastic.layer import duplicate


class _Tracer(fx.Tracer):
    """Follows the network's forward down to elastic layers and torch's own modules; drop path belongs to training alone."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        """Elastic layers are leaves as torch's own modules are."""
        return isinstance(module, ElasticLayer) or super().is_leaf_module(module, qualified_name)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the call of a module becomes in the graph."""
        return args[0] if isinstance(m, DropPath) else super().call_module(m, forward, args, kwargs)


def extract(network: nn.Module) -> fx.GraphModule:
    """The active sub-network of a network of elastic layers, with copies of its weights.

    The result is torch's own `GraphModule`: its code mentions torch alone, its modules are torch's, and their names are
    those of the definition. It is in the same mode (training or evaluation) as the network.
    """
    graph = _Tracer().trace(network)
    modules: dict[str, nn.Module | torch.Tensor] = {}
    for node in graph.nodes:
        node.type = None  # fx copies the annotations of the definition under names that torch.jit.script cannot resolve
        target = str(node.target)
        if node.op == "call_module" and target not in modules:
            found = network.get_submodule(target)
            modules[target] = _twin(found)
        elif node.op == "get_attr" and target not in modules:
            owner, _, name = target.rpartition(".")
            found_attribute = getattr(network.get_submodule(owner), name)
            modules[target] = _copy_tensor(found_attribute)
    extracted = fx.GraphModule(modules, graph, class_name="Network")
    extracted.graph.lint()
    extracted.training = network.training
    return extracted


def without_resize(network: fx.GraphModule) -> fx.GraphModule:
    """An extracted network that takes images of the resolution it works on: the resize before its first layer is left out.

    Networks without one are returned as they are.
    """
    resizes = [
        node
        for node in network.graph.nodes
        if node.op == "call_module"
        and isinstance(network.get_submodule(str(node.target)), nn.Upsample)
        and node.args[0].op == "placeholder"
    ]
    if not resizes:
        return network
    result = copy.deepcopy(network)
    for node in result.graph.nodes:
        if any(node.name == resize.name for resize in resizes):
            node.replace_all_uses_with(node.args[0])
            result.graph.erase_node(node)
    result.recompile()
    result.delete_all_unused_submodules()
    return result


def _twin(module: nn.Module) -> nn.Module:
    """The plain torch module that stands in for a leaf, with copies of its weights."""
    if isinstance(module, ElasticLayer):
        return module.static()
    owns = module._parameters or module._buffers or module._modules
    return copy.deepcopy(module) if owns else duplicate(module)


def _copy_tensor(tensor: torch.Tensor) -> torch.Tensor:
    copied = tensor.detach().clone()
    return nn.Parameter(copied) if isinstance(tensor, nn.Parameter) else copied
