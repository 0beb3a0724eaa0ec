"""Every shape rule gives the sizes that torch gives, in every architecture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nas.base.errors import NasError
from nas.choices import Choice, evaluate
from nas.elastic import ElasticConv2d, walk

WIDTH = Choice("width", (8, 16))
SIDE = Choice("side", (4, 6))

MAPS: dict[str, Callable[[Any], Any]] = {
    "reshape": lambda x: x.reshape(1, -1, 2),
    "view": lambda x: x.view(1, 4, -1),
    "unflatten": lambda x: x.unflatten(1, (2, -1)),
    "unflatten twice": lambda x: x.unflatten(-1, (2, -1)).unflatten(1, (-1, 4)),
    "flatten": lambda x: x.flatten(2),
    "flatten all": lambda x: torch.flatten(x, 1),
    "squeeze": lambda x: x.mean(1, keepdim=True).squeeze(1),
    "unsqueeze": lambda x: x.unsqueeze(-1),
    "transpose": lambda x: x.flatten(2).transpose(1, 2),
    "permute": lambda x: x.permute(0, 2, 3, 1),
    "permute of a tuple": lambda x: torch.permute(x, (0, 3, 1, 2)),
    "expand": lambda x: x.mean((2, 3), keepdim=True).expand(-1, -1, 5, 3),
    "repeat": lambda x: x.repeat(1, 2, 1, 3),
    "roll": lambda x: torch.roll(x, (1, 1), (2, 3)),
    "chunk": lambda x: x.chunk(4, 1)[3],
    "split by one size": lambda x: x.mean((2, 3)).unsqueeze(-1).repeat(1, 1, 7).split(3, 2)[2],
    "split by sizes": lambda x: x.flatten(2).mean(1, keepdim=True).repeat(1, 5, 1).split([1, 4], 1)[1],
    "unbind": lambda x: x.unflatten(1, (2, -1)).unbind(1)[1],
    "one of a batch": lambda x: x[:, 0],
    "slice": lambda x: x[:, :3, 1:],
    "slice beyond the end": lambda x: x[:, :100],
    "slice from the end": lambda x: x[..., :-1],
    "slice with steps": lambda x: x[:, 1::2, ::2, ::3],
    "new dimension": lambda x: x[:, None, ..., 0],
    "list of indices": lambda x: x[:, [3, 1]],
    "index tensor": lambda x: x.index_select(1, torch.tensor([1, 0, 2])),
    "concatenation": lambda x: torch.cat([x, x[:, :3]], dim=1),
    "stack": lambda x: torch.stack([x, x], dim=-1),
    "pad": lambda x: F.pad(x, (0, 1, 2, 3, 1, 0)),
    "interpolate to a size": lambda x: F.interpolate(x, size=(5, 7), mode="nearest"),
    "interpolate by a factor": lambda x: F.interpolate(x, scale_factor=2),
    "unfold": lambda x: F.unfold(x, 3, padding=1, stride=2),
    "pixel shuffle": lambda x: F.pixel_shuffle(x, 2),
    "pixel unshuffle": lambda x: F.pixel_unshuffle(x, 2),
    "channel shuffle": lambda x: F.channel_shuffle(x, 4),
    "group norm": lambda x: F.group_norm(x, 4),
    "sum": lambda x: x.sum((2, 3)),
    "softmax": lambda x: x.softmax(-1),
    "matmul": lambda x: x @ x.transpose(2, 3),
    "matmul with a constant": lambda x: x.mean((2, 3)).unsqueeze(1).transpose(1, 2) @ torch.zeros(1, 9),
    "bmm": lambda x: torch.bmm(x.flatten(2), x.flatten(2).transpose(1, 2)),
    "matmul of broadcast batches": lambda x: x.mean(1, keepdim=True) @ x,
    "attention": lambda x: F.scaled_dot_product_attention(x, x[:, :, :2], x[:, :, :2]),
    "broadcast with a constant": lambda x: x + torch.zeros(1, 1, 1),
    "broadcast that widens": lambda x: x.mean((2, 3), keepdim=True) * torch.zeros(3, 5),
    "max pool": lambda x: F.max_pool2d(x, 3, 2, 1),
    "mean pool": lambda x: F.avg_pool2d(x, 2),
}


class Calls(nn.Module):
    """One function as a network."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


@pytest.mark.parametrize("function", MAPS.values(), ids=list(MAPS))
def test_sizes_are_those_of_torch(function: Callable[[Any], Any]) -> None:
    found = walk(Calls(function), (WIDTH, SIDE, SIDE))
    for width_code, width in enumerate(WIDTH.options):
        for side_code, side in enumerate(SIDE.options):
            expected = function(torch.zeros(1, int(width), int(side), int(side))).shape
            codes = {"width": width_code, "side": side_code}
            assert tuple(int(evaluate(size, codes)) for size in found.output) == tuple(expected)


def test_what_a_padding_cancels_is_not_depended_on() -> None:
    """A "same" padding and a stride keep the kernel out of the shapes even where the sides are symbolic."""
    layers = nn.Sequential(*(ElasticConv2d(4, 4, Choice(f"kernel{i}", (3, 5, 7)), stride=1 + i % 2) for i in range(8)))
    found = walk(layers, (4, SIDE, SIDE))
    depended = {choice.name for size in found.output if hasattr(size, "choices") for choice in size.choices}
    assert depended <= {"side"}


def test_the_parts_of_a_reshaped_tensor_must_be_whole() -> None:
    with pytest.raises(NasError, match="reshaping"):
        walk(Calls(lambda x: x.reshape(1, 3, -1)), (WIDTH, SIDE, SIDE))
