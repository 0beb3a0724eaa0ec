"""A network as Python source that needs torch alone, with its weights in safetensors."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from torch import fx, nn

from nas.base.errors import NasError
from nas.base.files import write_text
from nas.supernet.weights import load_tensors, save_tensors

_HEADER = '''"""{title}

Plain PyTorch. Load it with:

    from safetensors.torch import load_file
    network = Network()
    network.load_state_dict(load_file("{weights}"))
    network.eval()
"""

import torch
from torch import nn


class Network(nn.Module):
    """{title}"""

    def __init__(self):
        super().__init__()
'''


def write_plain(network: fx.GraphModule, source: Path, weights: Path, title: str) -> None:
    """Write an extracted network as `source` (Python) and `weights` (safetensors).

    The weights are written first: source without weights would be the more confusing half.
    """
    save_tensors(weights, network.state_dict())
    write_text(source, plain_source(network, title, weights.name))


def plain_source(network: fx.GraphModule, title: str, weights: str) -> str:
    """Python source of an extracted network: its modules as torch constructors, and its forward.

    Raises:
        NasError: the network holds a module that is not torch's own.
    """
    lines = [_HEADER.format(title=title, weights=weights)]
    for name, module in network.named_modules():
        if not name:
            continue
        kind = type(module)
        if kind is nn.Module:
            constructed = "nn.Module()"
        elif kind.__module__.startswith("torch.nn.modules"):
            constructed = f"nn.{kind.__name__}({module.extra_repr()})"
        else:
            raise NasError(f"module '{name}' is a {kind.__module__}.{kind.__name__}; only torch's own can be written out")
        owner, _, last = name.rpartition(".")
        target = f'self.get_submodule("{owner}")' if owner else "self"
        lines.append(f'        {target}.add_module("{last}", {constructed})\n')
    for owner, module in network.named_modules():
        if not owner or type(module) is nn.Module:
            target = f'self.get_submodule("{owner}")' if owner else "self"
            lines += [f"        {target}.{line}\n" for line in _own_tensors(module)]
    body = "\n".join("    " + line if line else "" for line in network.code.strip().split("\n"))
    return "".join(lines) + "\n" + body + "\n"


def _own_tensors(module: nn.Module) -> Iterator[str]:
    """Statements that register the tensors of a module that has no constructor of its own."""
    for name, parameter in module.named_parameters(recurse=False):
        yield f'register_parameter("{name}", nn.Parameter(torch.empty({tuple(parameter.shape)})))'
    for name, buffer in module.named_buffers(recurse=False):
        yield f'register_buffer("{name}", torch.empty({tuple(buffer.shape)}, dtype={buffer.dtype}))'


def load_plain(source: Path, weights: Path) -> nn.Module:
    """Run a source file written by `write_plain` and load its weights; evaluation mode. Only for files one wrote oneself."""
    spec = importlib.util.spec_from_file_location("exported_network", source)
    if spec is None or spec.loader is None or not source.exists():
        raise NasError(f"network source not found: {source}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network: nn.Module = module.Network()
    network.load_state_dict(load_tensors(weights, "weights")[0])
    return network.eval()
