"""The roofline of small networks, worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.costs.roofline import Machine, joined, least_seconds, waterline, works
from nas.elastic import walk

MACHINE = Machine("toy", operations=1000.0, bandwidth=100.0)


class Small(nn.Module):
    """A block with a shortcut after a stem."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.block = nn.Conv2d(4, 4, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        return x + self.block(x)


def test_layers_move_each_tensor_once_and_hold_their_norms() -> None:
    found = works(walk(Small(), (2, 5, 5)), {}, bytes_per_element=1)
    assert [layer.kind for layer in found] == ["conv2d", "conv2d", "elementwise"]
    stem, block, total = found
    assert (stem.operations, stem.traffic) == (2 * 25 * 8, 50 + 100 + 8 + 4)
    assert (block.operations, block.traffic) == (2 * 25 * 144, 100 + 100 + 144)
    assert (total.operations, total.traffic) == (0, 300)
    assert MACHINE.ridge == 10.0
    assert stem.attainable(MACHINE) == pytest.approx(400 / 162 / 10)
    assert block.attainable(MACHINE) == 1.0
    assert total.attainable(MACHINE) == 0.0
    assert least_seconds(found, MACHINE) == pytest.approx(1.62 + 7.2 + 3.0)
    assert waterline(found, MACHINE) == pytest.approx(7.6 / 11.82)


def test_the_waterline_is_the_harmonic_mean_of_the_bars() -> None:
    layers = works(walk(nn.Sequential(nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 3, padding=1)), (2, 5, 5)), {})
    total = sum(layer.operations for layer in layers)
    mean = 1 / sum(layer.operations / total / layer.attainable(MACHINE) for layer in layers)
    assert waterline(layers, MACHINE) == pytest.approx(mean)


def test_a_fused_block_keeps_what_passes_between_its_layers() -> None:
    found = works(walk(Small(), (2, 5, 5)), {}, bytes_per_element=1)
    stem, block, total = found
    fused = joined(found, [stem.steps, [*block.steps, *total.steps]])
    assert [layer.operations for layer in fused] == [stem.operations, block.operations]
    assert fused[1].traffic == 100 + 100 + 144
    assert waterline(fused, MACHINE) > waterline(found, MACHINE)
    (whole,) = joined(found, [[step for layer in found for step in layer.steps]])
    assert whole.traffic == 50 + 100 + 8 + 4 + 144
