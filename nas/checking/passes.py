"""Forward passes that remember which module did what."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

Result = TypeVar("Result")

TOLERANCE = 1e-4
"""Largest difference, relative to the largest score, that counts as rounding in float32."""


class ForwardError(Exception):
    """A module's forward failed.

    Attributes:
        path: the module.
        cause: what it raised.
    """

    def __init__(self, path: str, cause: Exception) -> None:
        super().__init__(f"{path}: {cause}")
        self.path = path
        self.cause = cause


@dataclass(frozen=True)
class Step:
    """One call of a module: its path, the tensors it took, and the tensor it returned."""

    path: str
    inputs: tuple[torch.Tensor, ...]
    output: torch.Tensor | None


def run(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The scores (N, classes). Raises ForwardError naming the innermost module that failed."""
    scores: torch.Tensor = located(network, lambda: network(images))
    return scores


def located(network: nn.Module, call: Callable[[], Result]) -> Result:
    """The result of a call that passes through the network. Raises ForwardError naming the innermost module that failed."""
    try:
        return call()
    except Exception as error:
        inside: list[str] = []
        # Once more with hooks, which would cost every pass that succeeds a third of its time.
        with _watched(network, inside, None), contextlib.suppress(Exception):
            call()
        raise ForwardError((inside[-1] if inside else "") or "the network", error) from error


def recorded(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, list[Step]]:
    """The scores, and every call of a module in the order in which they ended."""
    steps: list[Step] = []
    with _watched(network, [], steps):
        return network(images), steps


@contextlib.contextmanager
def _watched(network: nn.Module, inside: list[str], steps: list[Step] | None) -> Iterator[None]:
    """Inside, paths of the modules that are running are in one list, and finished calls in the other."""
    taken: list[tuple[torch.Tensor, ...]] = []
    with contextlib.ExitStack() as hooks:
        for path, module in network.named_modules():

            def enter(_: nn.Module, args: tuple[Any, ...], path: str = path) -> None:
                inside.append(path)
                if steps is not None:
                    taken.append(tuple(arg.detach().clone() for arg in args if isinstance(arg, torch.Tensor)))

            def leave(_: nn.Module, args: tuple[Any, ...], output: Any, path: str = path) -> None:
                inside.pop()
                if steps is not None:
                    kept = output.detach().clone() if isinstance(output, torch.Tensor) else None
                    steps.append(Step(path, taken.pop(), kept))

            hooks.callback(module.register_forward_pre_hook(enter).remove)
            hooks.callback(module.register_forward_hook(leave).remove)
        yield


def differs(first: torch.Tensor, second: torch.Tensor, tolerance: float = TOLERANCE) -> bool:
    """Whether two results are more apart than rounding explains; shapes that differ, and what is not finite, are apart."""
    if first.shape != second.shape:
        return True
    scale = max(float(first.abs().max()), float(second.abs().max()), 1e-30) if first.numel() else 1.0
    return not bool(((first - second).abs() <= tolerance * scale).all())


def first_difference(left: Sequence[Step], right: Sequence[Step]) -> str:
    """The module that first computes something else from the same input, or the one in whose own code it happens."""
    common = {step.path for step in left} & {step.path for step in right}
    lefts, rights = ([step for step in steps if step.path in common] for steps in (left, right))
    last = ""
    for one, other in zip(lefts, rights, strict=False):
        if one.path != other.path:
            return _owner(one.path)
        if one.output is None or other.output is None or not differs(one.output, other.output):
            last = one.path
            continue
        same_inputs = len(one.inputs) == len(other.inputs) and not any(
            differs(a, b) for a, b in zip(one.inputs, other.inputs, strict=True)
        )
        return one.path or "the network" if same_inputs else _owner(one.path)
    return f"the network, after {last}" if last else "the network"


def _owner(path: str) -> str:
    return path.rpartition(".")[0] or "the network"
