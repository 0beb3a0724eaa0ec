"""A chain of stages in which every layer is searched by itself: what ProxylessNAS and FBNet have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from nas.base.errors import NasError
from nas.elastic import Unit


@dataclass(frozen=True)
class Stage:
    """Layers of one width; the first of them has the stride."""

    width: int
    layers: int
    stride: int


@dataclass(frozen=True)
class Place:
    """Where one searched layer sits: its number from 1, its widths and its stride."""

    index: int
    in_channels: int
    out_channels: int
    stride: int

    @property
    def name(self) -> str:
        """The name of the layer's decision."""
        return f"layer{self.index}"

    @property
    def keeps_shape(self) -> bool:
        """Whether what leaves the layer has the shape of what enters it."""
        return self.stride == 1 and self.in_channels == self.out_channels


class Skip(nn.Identity):
    """A searched layer that is left out: nothing that a device runs, but a place of the network that a linear model weighs.

    Args:
        position: see `nas.elastic.Unit`.
    """

    def __init__(self, position: str) -> None:
        super().__init__()
        self.unit = Unit("skip", position=position)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> the same."""
        return x


def places(stages: Sequence[Stage], in_channels: int) -> Iterator[Place]:
    """The searched layers in order.

    Args:
        in_channels: the width that arrives at the first of them.
    """
    index = 0
    for stage in stages:
        for layer in range(stage.layers):
            index += 1
            yield Place(index, in_channels, stage.width, stage.stride if layer == 0 else 1)
            in_channels = stage.width


def blocks(before: Sequence[nn.Module], layers: Sequence[nn.Module], stages: Sequence[int]) -> list[nn.Module]:
    """The searched layers in blocks for training block by block; see `nas.supernet.blocks`.

    Args:
        before: what stands before the first layer.
        stages: how many layers each block has.
    """
    found: list[nn.Module] = []
    start = 0
    for count in stages:
        found.append(nn.Sequential(*(before if start == 0 else ()), *layers[start : start + count]))
        start += count
    return found


def rewidened(stages: Sequence[Stage], widths: Sequence[int]) -> tuple[Stage, ...]:
    """The same stages with other widths. Raises NasError where there is not one width for each stage."""
    if len(widths) != len(stages):
        raise NasError(f"{len(stages)} stages need {len(stages)} widths; given {tuple(widths)}")
    return tuple(Stage(width, stage.layers, stage.stride) for stage, width in zip(stages, widths, strict=True))


def named(operators: str) -> dict[str, str]:
    """Decisions from the operators of layer 1, 2, ..., written one after the other."""
    return {f"layer{index}": operator for index, operator in enumerate(operators.split(), 1)}
