"""The size space of NATS-Bench (Dong et al., NATS-Bench, 2021): the widths of five layers around a fixed cell.

Stem and first cell have the first width, then follow a residual block of stride 2, a cell, a residual block of stride 2 and a
cell, each with a width of its own; the cell changes the width in the edges that leave its input.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from nas.choices import Choice, Option, Value, all_of, where
from nas.elastic import SelectedSum, Switch
from nas.supernet import Space, Task
from search_spaces.cells.cell_strings import EDGES, EXAMPLE, NODES, read_cell, read_widths, write_widths
from search_spaces.cells.operators import Zero
from search_spaces.cells.tiny_network import ElasticReluConvNorm, ResidualReduction, TinyNetwork

WIDTHS = tuple(range(8, 65, 8))

LAYERS = 5

CHOICES = tuple(Choice(f"width{layer + 1}", WIDTHS) for layer in range(LAYERS))


class FixedCell(nn.Module):
    """A given cell of NAS-Bench-201 whose input and output have symbolic widths.

    Args:
        operators: one for each edge, in the order of a cell's string.
    """

    def __init__(self, operators: tuple[str, ...], in_channels: Value, out_channels: Value) -> None:
        super().__init__()
        chosen = dict(zip(EDGES, operators, strict=True))
        self.nodes = nn.ModuleList()
        for target in range(1, NODES):
            names = [chosen[source, target] for source in range(target)]
            branches = [
                _operator(name, in_channels if source == 0 else out_channels, out_channels) for source, name in enumerate(names)
            ]
            self.nodes.append(SelectedSum([name != "none" for name in names], branches, Zero()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H, W)."""
        states = [x]
        for node in self.nodes:
            states.append(node(*states))
        return states[-1]


def _operator(name: str, in_channels: Value, out_channels: Value) -> nn.Module:
    if name == "none":
        return nn.Identity()
    if name.startswith("nor_conv"):
        return ElasticReluConvNorm(in_channels, out_channels, int(name[-1]))
    pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False) if name == "avg_pool_3x3" else nn.Identity()
    if in_channels is out_channels:
        return pool
    change = ElasticReluConvNorm(in_channels, out_channels, 1, relu=name == "avg_pool_3x3")
    agree = all_of([in_channels <= out_channels, out_channels <= in_channels])
    return Switch(where(agree, 0, 1), [pool, nn.Sequential(change, pool)])


class NatsSizeNetwork(TinyNetwork):
    """Cell, residual block, cell, residual block, cell, each with a width of its own."""

    def __init__(self, task: Task, cell: str = EXAMPLE) -> None:
        operators = read_cell(cell)
        side, width = task.resolution, CHOICES[0]
        layers: list[nn.Module] = [FixedCell(operators, width, width)]
        for layer in range(1, LAYERS):
            if layer % 2:
                layers.append(ResidualReduction(width, CHOICES[layer], side))
                side = (side + 1) // 2
            else:
                layers.append(FixedCell(operators, width, CHOICES[layer]))
            width = CHOICES[layer]
        super().__init__(task.channels, CHOICES[0], layers, width, task.classes)

    def block_sequence(self) -> list[nn.Module]:
        """The stages; a residual block of stride 2 begins one. See `nas.supernet.blocks`."""
        layers = list(self.layers)
        stages: list[nn.Module] = [nn.Sequential(self.stem, layers[0])]
        return stages + [nn.Sequential(*layers[first : first + 2]) for first in range(1, LAYERS, 2)]


def from_string(text: str) -> dict[str, Option]:
    """The decisions that widths such as '16:32:64:16:8' make. Raises NasError for other texts."""
    return {choice.name: width for choice, width in zip(CHOICES, read_widths(text, LAYERS, WIDTHS), strict=True)}


def to_string(architecture: Mapping[str, Option]) -> str:
    """An architecture's widths as the benchmark writes them."""
    return write_widths([int(architecture[choice.name]) for choice in CHOICES])


def nats_size_space(cell: str = EXAMPLE) -> Space:
    """The space around a cell in the notation of NAS-Bench-201, by default the one of the benchmark, for CIFAR-10."""

    def build(task: Task) -> nn.Module:
        return NatsSizeNetwork(task, cell)

    return Space(
        "cells:nats-size",
        build,
        known={"uniform-64": from_string("64:64:64:64:64")},
        task=Task(channels=3, resolution=32, classes=10),
        summary="five widths from 8 to 64 around a fixed cell",
        source="Dong et al., NATS-Bench, 2021",
    )
