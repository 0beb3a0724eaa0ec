"""The spaces of AutoFormer (Chen et al., AutoFormer: Searching transformers for visual recognition, 2021).

One width and one depth for the network, heads and the perceptron's ratio for each block. Heads have 64 features, so that
queries, keys and values are as wide as there are heads; keys and values know relative positions in two dimensions. The
weights of every block size are the first rows and columns of the largest (weight entanglement).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from nas.choices import Choice, Option, Value
from nas.elastic import Depth, ElasticLayerNorm, ElasticLinear, ElasticPatchEmbedding, RelativeAttention
from nas.supernet import Space, Task
from search_spaces.vit.blocks import ClassToken, PositionEmbedding, TransformerBlock, drop_depth, patch_side, scaled
from search_spaces.vit.choosing import Chosen

SOURCE = "Chen et al., AutoFormer, 2021"

PATCH = 16
HEAD_DIM = 64
DISTANCE = 14
"""Rows or columns that are told apart by relative position."""


@dataclass(frozen=True)
class AutoFormerOptions:
    """What may be chosen: widths and depths of the network, heads and ratios of each block; from small to large."""

    embeds: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    mlp_ratios: tuple[float, ...]


TINY = AutoFormerOptions((192, 216, 240), (12, 13, 14), (3, 4), (3.0, 3.5, 4.0))
"""The paper lists the ratios 3.5 and 4 alone, but its searched network has blocks of ratio 3."""

SMALL = AutoFormerOptions((320, 384, 448), (12, 13, 14), (5, 6, 7), (3.0, 3.5, 4.0))
BASE = AutoFormerOptions((528, 576, 624), (14, 15, 16), (8, 9, 10), (3.0, 3.5, 4.0))


class AutoFormerNetwork(nn.Module):
    """The network for a task; below 112 px patches are chosen so that there are about 8 x 8 of them."""

    def __init__(self, options: AutoFormerOptions, task: Task) -> None:
        super().__init__()
        patch = patch_side(task.resolution, PATCH)
        side = task.resolution // patch
        embed = Choice("embed", options.embeds)
        depth = Chosen(Choice("depth", options.depths), options.depths).value
        self.patches = ElasticPatchEmbedding(task.channels, embed, patch)
        self.class_token = ClassToken(embed)
        self.position = PositionEmbedding(1 + side**2, embed)
        blocks = []
        for index in range(1, max(options.depths) + 1):
            heads = Choice(f"block{index}.heads", options.heads)
            ratio = Choice(f"block{index}.mlp_ratio", options.mlp_ratios)
            attention = RelativeAttention(embed, heads, HEAD_DIM, side, DISTANCE)
            depth_share = drop_depth(index - 1, max(options.depths))
            described: dict[str, Value | str] = {"attention": "relative", "heads": heads, "head_dim": HEAD_DIM}
            blocks.append(TransformerBlock(embed, attention, scaled(embed, ratio), described, depth_share))
        self.blocks = Depth(blocks, depth)
        self.norm = ElasticLayerNorm(embed)
        self.head = ElasticLinear(embed, task.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes), from the mean of the patches; the class token has no part in it."""
        tokens = self.class_token(self.patches(images).flatten(2).transpose(1, 2))
        tokens = self.norm(self.blocks(self.position(tokens)))
        return self.head(tokens[:, 1:].mean(1))  # type: ignore[no-any-return]


def searched(embed: int, heads: Sequence[int], mlp_ratios: Sequence[float]) -> dict[str, Option]:
    """Decisions from the lists in which a network is published; its depth is their length."""
    decisions: dict[str, Option] = {"embed": embed, "depth": len(heads)}
    for index, (count, ratio) in enumerate(zip(heads, mlp_ratios, strict=True), 1):
        decisions |= {f"block{index}.heads": count, f"block{index}.mlp_ratio": float(ratio)}
    return decisions


KNOWN: Mapping[str, Mapping[str, Option]] = {
    "autoformer-t": searched(192, [3] * 10 + [4, 3, 3], (3.5, 3.5, 3, 3.5, 3, 3, 4, 4, 3.5, 4, 3.5, 4, 3.5)),
    "autoformer-s": searched(384, (6, 6, 5, 7, 5, 5, 5, 6, 6, 7, 7, 6, 7), (3, 3.5, 3, 3.5, 4, 4, 4, 4, 4, 4, 4, 3.5, 4)),
    "autoformer-b": searched(
        576, (9, 9, 9, 9, 9, 10, 9, 9, 10, 9, 10, 9, 9, 10), (3.5, 3.5, 4, 3.5, 4, 3.5, 3.5, 3, 4, 4, 3, 4, 3, 3.5)
    ),
}


def autoformer(name: str, options: AutoFormerOptions) -> Space:
    """A space of this kind for ImageNet; it knows those searched networks that its options allow."""
    ratios, heads = set(options.mlp_ratios), set(options.heads)

    def legal(network: Mapping[str, Option]) -> bool:
        return (
            network["embed"] in options.embeds
            and network["depth"] in options.depths
            and all(option in heads for decision, option in network.items() if decision.endswith("heads"))
            and all(option in ratios for decision, option in network.items() if decision.endswith("mlp_ratio"))
        )

    return Space(
        f"vit:{name}",
        lambda task: AutoFormerNetwork(options, task),
        known={known: network for known, network in KNOWN.items() if legal(network)},
        task=Task(channels=3, resolution=224, classes=1000),
        summary="one width, up to "
        f"{max(options.depths)} blocks with {min(options.heads)} to {max(options.heads)} heads, relative positions",
        source=SOURCE,
    )


def autoformer_t() -> Space:
    """The smallest of the three spaces."""
    return autoformer("autoformer-t", TINY)


def autoformer_s() -> Space:
    """The middle one."""
    return autoformer("autoformer-s", SMALL)


def autoformer_b() -> Space:
    """The largest."""
    return autoformer("autoformer-b", BASE)
