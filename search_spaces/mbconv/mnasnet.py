"""The factorised hierarchical space of MnasNet.

Tan et al., MnasNet: Platform-Aware Neural Architecture Search for Mobile, 2019. Seven blocks between a stem of 32 and a head of
1280. All layers of a block are alike: their convolution (ordinary, depthwise separable or MBConv), kernel,
squeeze-and-excitation, shortcut, width and number are decided once for the block. Widths and numbers of layers lie around those
of MobileNetV2. The paper trains each network by itself; here the three convolutions of a layer are separate modules,
while kernels, expansions and widths share weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from nas.choices import Choice, Option, Value
from nas.elastic import Depth
from nas.supernet import Space, Task
from search_spaces.mbconv.blocks import Classifier, Convolution
from search_spaces.mbconv.mnasnet_layers import NORM, SQUEEZE, BlockChoices, Layer


@dataclass(frozen=True)
class BlockOptions:
    """What may be chosen for a block, and the stride of its first layer."""

    widths: tuple[int, ...]
    layers: tuple[int, ...]
    stride: int


BLOCKS = (
    BlockOptions((16, 24), (1, 2), 1),
    BlockOptions((24, 32), (1, 2, 3), 2),
    BlockOptions((24, 32, 40), (2, 3, 4), 2),
    BlockOptions((48, 64, 80), (3, 4, 5), 2),
    BlockOptions((72, 96, 112), (2, 3, 4), 1),
    BlockOptions((120, 160, 192), (2, 3, 4), 2),
    BlockOptions((240, 320, 400), (1, 2), 1),
)
"""MobileNetV2's widths times 0.75, 1 and 1.25 in multiples of 8, and its numbers of layers less one, as they are, and plus one.

The largest widths of blocks 5 and 6 are those of the published networks, 112 and 192, instead of 120 and 200.
"""

EXPANSIONS = (3, 6)
"""Expansions of an MBConv in the published networks."""


def block_choices(index: int, options: BlockOptions, expansions: Sequence[int]) -> BlockChoices:
    """The decisions of block 1 to 7."""
    name = f"block{index}"
    return BlockChoices(
        operator=Choice(f"{name}.operator", ("dwconv", "mbconv", "conv")),
        kernel=Choice(f"{name}.kernel", (3, 5)),
        expand=Choice(f"{name}.expand", tuple(expansions)),
        squeeze=Choice(f"{name}.squeeze", SQUEEZE),
        shortcut=Choice(f"{name}.shortcut", ("none", "identity", "pool")),
        width=Choice(f"{name}.width", options.widths),
        layers=Choice(f"{name}.layers", options.layers),
    )


class MnasNetwork(nn.Module):
    """The macro-architecture for any resolution, number of channels and number of classes.

    Args:
        task: what it is built for.
        blocks: their widths, numbers of layers and strides.
        expansions: of an MBConv.
        dropout: before the last layer.
    """

    def __init__(
        self,
        task: Task,
        blocks: Sequence[BlockOptions] = BLOCKS,
        expansions: Sequence[int] = EXPANSIONS,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.stem = Convolution(task.channels, 32, 3, 2, nn.ReLU, NORM)
        found: list[nn.Module] = []
        width: Value = 32
        for index, options in enumerate(blocks, 1):
            choices = block_choices(index, options, expansions)
            layers = [Layer(width, options.stride, choices, first=True)]
            layers += [Layer(choices.width, 1, choices, first=False) for _ in range(max(options.layers) - 1)]
            found.append(Depth(layers, choices.layers))
            width = choices.width
        self.blocks = nn.Sequential(*found)
        self.head = Convolution(width, 1280, 1, 1, nn.ReLU, NORM)
        self.classifier = Classifier(1280, task.classes, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes)."""
        return self.classifier(self.head(self.blocks(self.stem(images))))  # type: ignore[no-any-return]

    def block_sequence(self) -> list[nn.Module]:
        """The paper's blocks; see `nas.supernet.blocks`."""
        first, *rest = self.blocks
        return [nn.Sequential(self.stem, first), *rest]


def _network(*blocks: str) -> dict[str, Option]:
    """Decisions from one word a block, such as '3x40-k5e3-se': layers, width, kernel, expansion; every shortcut an identity."""
    decisions: dict[str, Option] = {}
    for index, word in enumerate(blocks, 1):
        size, convolution, *rest = word.split("-")
        layers, width = map(int, size.split("x"))
        kernel, expand = int(convolution[1]), int(convolution[3])
        decisions |= {
            f"block{index}.operator": "dwconv" if expand == 1 else "mbconv",
            f"block{index}.kernel": kernel,
            f"block{index}.squeeze": SQUEEZE[-1] if rest else SQUEEZE[0],
            f"block{index}.shortcut": "identity",
            f"block{index}.width": width,
            f"block{index}.layers": layers,
        }
        if expand > 1:
            decisions[f"block{index}.expand"] = expand
    return decisions


KNOWN = {
    # Sandler et al., MobileNetV2, 2018; its activation is ReLU6, this space's ReLU.
    "mobilenet-v2": _network("1x16-k3e1", "2x24-k3e6", "3x32-k3e6", "4x64-k3e6", "3x96-k3e6", "3x160-k3e6", "1x320-k3e6"),
    "mnasnet-a1": _network(
        "1x16-k3e1", "2x24-k3e6", "3x40-k5e3-se", "4x80-k3e6", "2x112-k3e6-se", "3x160-k5e6-se", "1x320-k3e6"
    ),
    "mnasnet-b1": _network("1x16-k3e1", "3x24-k3e3", "3x40-k5e3", "3x80-k5e6", "2x96-k3e6", "4x192-k5e6", "1x320-k3e6"),
}


def mnasnet(blocks: Sequence[BlockOptions] = BLOCKS, expansions: Sequence[int] = EXPANSIONS, dropout: float = 0.2) -> Space:
    """The space, for ImageNet by default; see `MnasNetwork`."""
    return Space(
        "mbconv:mnasnet",
        partial(MnasNetwork, blocks=blocks, expansions=expansions, dropout=dropout),
        known=KNOWN,
        task=Task(channels=3, resolution=224, classes=1000),
        summary="7 blocks of like layers: convolution, kernel, squeeze, shortcut, width and number",
        source="Tan et al., MnasNet, 2019",
    )
