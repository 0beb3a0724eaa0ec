"""The layers of the factorised hierarchical space: three kinds of convolution of elastic width and kernel, and the shortcut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from nas.choices import Choice, Value
from nas.elastic import ChannelGroup, Configurable, ElasticSqueezeExcite, OperatorChoice, Optional, Slots, SymbolicTensor
from nas.elastic.structure import either
from search_spaces.mbconv.blocks import ConvNormAct, NormFigures, middle_channels

NORM = NormFigures(eps=1e-3, momentum=0.01)

SQUEEZE = (0.0, 0.25)
"""Hidden width of the squeeze-and-excitation, relative to the layer's input; 0 for none."""


@dataclass(frozen=True)
class BlockChoices:
    """The decisions that all layers of one block share."""

    operator: Choice
    kernel: Choice
    expand: Choice
    squeeze: Choice
    shortcut: Choice
    width: Choice
    layers: Choice


def squeezed(channels: Value, entering: Value, choices: BlockChoices) -> Optional:
    """Squeeze-and-excitation of `channels`, where the block has it; its hidden width follows the layer's input."""
    hidden = entering // round(1 / SQUEEZE[-1])
    return Optional(ElasticSqueezeExcite(channels, hidden), choices.squeeze.differs(SQUEEZE[0]))


class Plain(nn.Module):
    """An ordinary convolution."""

    def __init__(self, in_channels: Value, stride: int, choices: BlockChoices) -> None:
        super().__init__()
        self.convolution = ConvNormAct(in_channels, choices.width, choices.kernel, stride, nn.ReLU, NORM)
        self.squeeze = squeezed(choices.width, in_channels, choices)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return self.squeeze(self.convolution(x))  # type: ignore[no-any-return]


class Separable(nn.Module):
    """A depthwise convolution and a 1 x 1 one without activation; with an expansion before them, an inverted bottleneck."""

    def __init__(self, in_channels: Value, stride: int, choices: BlockChoices, expand: Choice | None = None) -> None:
        super().__init__()
        self.middle = middle = in_channels if expand is None else in_channels * expand
        self.expand = nn.Identity() if expand is None else ConvNormAct(in_channels, middle, activation=nn.ReLU, norm=NORM)
        self.depthwise = ConvNormAct(middle, middle, choices.kernel, stride, nn.ReLU, NORM, groups=middle)
        self.squeeze = squeezed(middle, in_channels, choices)
        self.project = ConvNormAct(middle, choices.width, activation=None, norm=NORM)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return self.project(self.squeeze(self.depthwise(self.expand(x))))  # type: ignore[no-any-return]

    def channel_groups(self) -> Iterator[ChannelGroup]:
        """The middle channels."""
        yield from middle_channels(self.middle, self.project, self.expand, self.depthwise, self.squeeze.module)


class ChosenShortcut(Configurable):
    """What is added to a layer's result: nothing, its input, or its input averaged over 3 x 3."""

    def __init__(self, choice: Choice) -> None:
        super().__init__()
        self.choice = choice
        self.ways = nn.ModuleDict({"identity": nn.Identity(), "pool": nn.AvgPool2d(3, 1, 1)})
        self.declare(way=choice)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Input and result of the layer, both (N, C, H, W) -> the same shape."""
        if isinstance(x, SymbolicTensor) and isinstance(y, SymbolicTensor):
            return self._walk(x, y)
        if self._slots is not None:
            return self.batched(self._slots, x, y)
        return self._added(self.chosen()[0], x, y)

    def batched(self, slots: Slots, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Each way for the examples of those architectures that chose it."""
        return slots.grouped([way for (way,) in slots.settings(self)], self._added, x, y)

    def _added(self, way: str, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return y if way == "none" else y + self.ways[way](x)

    def _walk(self, x: SymbolicTensor, y: SymbolicTensor) -> SymbolicTensor:
        result = y
        for option, way in self.ways.items():
            picked = self.choice.equals(option)
            with x.recorder.only_where(picked):
                joined = y + way(x)
            result = either(picked, joined, result)
        return result


class Layer(nn.Module):
    """One layer of a block; those after the first keep the shape of their input and have the block's shortcut."""

    def __init__(self, in_channels: Value, stride: int, choices: BlockChoices, first: bool) -> None:
        super().__init__()
        self.body = OperatorChoice(
            choices.operator,
            {
                "dwconv": Separable(in_channels, stride, choices),
                "mbconv": Separable(in_channels, stride, choices, choices.expand),
                "conv": Plain(in_channels, stride, choices),
            },
        )
        self.shortcut = None if first else ChosenShortcut(choices.shortcut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        y = self.body(x)
        return y if self.shortcut is None else self.shortcut(x, y)  # type: ignore[no-any-return]
