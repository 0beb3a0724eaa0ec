"""Which networks can run several architectures in one pass, and in what these must agree; see `nas.elastic.batched`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from nas.base.errors import NasError
from nas.choices import free_choices
from nas.elastic.batched import differs
from nas.elastic.layer import Configurable, ElasticLayer
from nas.elastic.parameter import ElasticParameter
from nas.elastic.walk import walk


def shared_choices(network: nn.Module) -> tuple[str, ...]:
    """Names of the choices that all the architectures of one pass must agree in: those of the size of the images."""
    found = [
        choice.name
        for module in network.modules()
        if isinstance(module, Configurable)
        for setting, value in module.settings.items()
        if module.dimensions.get(setting, module.dimension) == "resolution"
        for choice in free_choices(value)
    ]
    return tuple(dict.fromkeys(found))


def unbatchable(network: nn.Module, input_shape: tuple[int, ...]) -> str | None:
    """Why architectures of a network cannot share a pass; None where they can.

    Args:
        network: may be without memory.
        input_shape: of one example.
    """
    for name, module in network.named_modules():
        if isinstance(module, _NormBase) and not hasattr(module, "batched"):
            return f"{name} ({type(module).__name__}) would take its statistics from the examples of different architectures"
    for name, module in _outside(network, ""):
        if not _supports(module):
            return f"{name} ({type(module).__name__}) does not say how it works on several architectures at once"
    return _uneven(network, input_shape)


def _outside(module: nn.Module, name: str) -> Iterator[tuple[str, Configurable]]:
    """The modules that meet batches of several architectures: all but those inside a module that runs apart."""
    if isinstance(module, Configurable) and differs(module):
        yield name, module
        if module.runs_apart:
            return
    for part, child in module.named_children():
        yield from _outside(child, f"{name}.{part}" if name else part)


def _supports(module: Configurable) -> bool:
    kind = type(module)
    if isinstance(module, ElasticParameter):
        return module.full.shape[0] == 1  # the batch's axis; elsewhere examples could not differ
    if isinstance(module, ElasticLayer) and kind.batched is ElasticLayer.batched:
        return module.channel_axis is not None
    return kind.batched is not Configurable.batched


def _uneven(network: nn.Module, input_shape: tuple[int, ...]) -> str | None:
    """Which structure returns tensors that differ in more than their channels."""
    shared = set(shared_choices(network))
    found: list[str] = []
    hooks = []
    for name, module in _outside(network, ""):
        if module.runs_apart or isinstance(module, ElasticLayer):
            continue

        def note(_: nn.Module, __: Any, output: Any, name: str = name) -> None:
            reads = [{choice.name for choice in free_choices(size)} - shared for size in output.shape[1:]]
            if sum(map(bool, reads)) > 1:
                decision = min(reads[-1] or next(filter(None, reads)))
                found.append(f"what {name} returns differs between architectures in more than its channels ('{decision}')")

        hooks.append(module.register_forward_hook(note))
    try:
        walk(network, input_shape)
    except NasError as error:
        found.append(str(error))
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else None
