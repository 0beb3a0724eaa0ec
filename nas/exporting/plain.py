"""A network as Python source that needs torch alone, with its weights in safetensors."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
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


def write_plain(network: fx.GraphModule, source: Path, weights: Path, title: str, input_shape: Sequence[int]) -> None:
    """Write an extracted network as `source` (Python) and `weights` (safetensors), once the source is seen to compute the same.

    The weights are written first: source without weights would be the more confusing half.

    Args:
        network: in evaluation mode, on the CPU.
        input_shape: (C, H, W) of the images on which the two are compared.

    Raises:
        NasError: the source computes something else; nothing is written then.
    """
    text = plain_source(network, title, weights.name)
    names: dict[str, Any] = {}
    exec(compile(text, source.name, "exec"), names)
    again = names["Network"]()
    again.load_state_dict(network.state_dict())
    images = torch.randn((3, *input_shape), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, got = network(images), again.eval()(images)
        if not torch.allclose(got, expected, rtol=0.0, atol=1e-3 * max(1.0, float(expected.abs().max()))):
            raise NasError("the plain PyTorch source was not written: it does not compute what the network does")
    save_tensors(weights, network.state_dict())
    write_text(source, text)


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
            constructed = f"nn.{kind.__name__}({_arguments(module)})"
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


def _arguments(module: nn.Module) -> str:
    """What the constructor is given, by its own signature: what torch prints of a module leaves some settings out."""
    given = []
    for name, parameter in inspect.signature(type(module).__init__).parameters.items():
        if name in ("self", "device", "dtype") or not hasattr(module, name):
            continue
        value = getattr(module, name)
        if name == "bias" and not isinstance(value, bool):
            value = value is not None
        if value != parameter.default:
            given.append(f"{name}={value!r}")
    return ", ".join(given)


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
