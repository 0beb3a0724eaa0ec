"""Spaces of Swin-like networks around those of S3 (Chen et al., Searching the search space of vision transformer, 2021).

S3 searches the space itself: for every stage an interval of each of depth, width, window, heads, ratio of the perceptron,
and features of queries, keys and values, moved in the direction that lowers the error. The networks it ended in are
published, its last intervals are not. The intervals here are this project's own: one step to both sides of the published
networks where that makes sense, given by `intervals` and replaceable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Choice, Option, Value
from nas.elastic import Depth, ElasticLayerNorm, ElasticLinear, ElasticPatchEmbedding
from nas.supernet import Space, Task
from search_spaces.vit.blocks import TransformerBlock, drop_depth, patch_side, scaled
from search_spaces.vit.choosing import Chosen
from search_spaces.vit.windows import WindowAttention, window_side

SOURCE = "Chen et al., S3, 2021"

PATCH, GRID = 4, 16
"""Pixels of a patch at 224 px, and patches a side below 112 px."""

PAPER_SIDES = (56, 28, 14, 7)
"""Sides of the maps at 224 px."""

EMBEDS, HEADS, HEAD_DIM, MLP_RATIO = (96, 192, 384, 768), (3, 6, 12, 24), 32, 4.0
"""Of the three published networks."""


@dataclass(frozen=True)
class StageIntervals:
    """What may be chosen in one stage, from small to large; of heads, their features and ratios by each block.

    A window may not be larger than the stage's map at 224 px.
    """

    depths: tuple[int, ...]
    embeds: tuple[int, ...]
    windows: tuple[int, ...]
    heads: tuple[int, ...]
    head_dims: tuple[int, ...]
    mlp_ratios: tuple[float, ...]


def intervals(depths: Sequence[int]) -> tuple[StageIntervals, ...]:
    """The intervals around a published network of the given depths.

    Depth moves by one, in the long third stage by two; width by a quarter, heads by a third. Queries, keys and values have 16
    to 32 features a head, so that they may be narrower than the tokens. Windows are 7 or 14, in the last stage 7.
    """
    return tuple(
        StageIntervals(
            depths=(depth - 2, depth, depth + 2) if depth > 2 else (depth - 1, depth, depth + 1),
            embeds=(embed * 3 // 4, embed, embed * 5 // 4),
            windows=tuple(window for window in (7, 14) if window <= side),
            heads=(heads * 2 // 3, heads, heads * 4 // 3),
            head_dims=(16, 24, HEAD_DIM),
            mlp_ratios=(3.0, 3.5, MLP_RATIO),
        )
        for depth, embed, heads, side in zip(depths, EMBEDS, HEADS, PAPER_SIDES, strict=True)
    )


class PatchMerging(nn.Module):
    """Each 2 x 2 places of a map become one of four times the features, then of as many as the next stage has.

    The four values of a feature lie side by side, so that fewer features are the first ones. A map of odd side is filled up
    with zeros.
    """

    def __init__(self, in_features: Value, out_features: Value, side: int) -> None:
        super().__init__()
        self.filling = side % 2
        self.places = (side + 1) // 2
        self.norm = ElasticLayerNorm(in_features * 4)
        self.reduce = ElasticLinear(in_features * 4, out_features, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, H, W, C) -> (N, ceil(H / 2), ceil(W / 2), C')."""
        if self.filling:
            x = F.pad(x, (0, 0, 0, 1, 0, 1))
        quads = x.unflatten(2, (self.places, 2)).unflatten(1, (self.places, 2))
        return self.reduce(self.norm(quads.permute(0, 1, 3, 5, 2, 4).flatten(3)))  # type: ignore[no-any-return]


class S3Network(nn.Module):
    """The network for a task; below 112 px patches are chosen so that the first map has about 16 x 16 places."""

    def __init__(self, stages: Sequence[StageIntervals], task: Task) -> None:
        super().__init__()
        patch = patch_side(task.resolution, PATCH, GRID)
        side = task.resolution // patch
        embeds = [Choice(f"stage{index}.embed", stage.embeds) for index, stage in enumerate(stages, 1)]
        self.patches = ElasticPatchEmbedding(task.channels, embeds[0], patch)
        self.patch_norm = ElasticLayerNorm(embeds[0])
        parts: list[nn.Module] = []
        before, total = 0, sum(max(stage.depths) for stage in stages)
        for index, stage in enumerate(stages):
            if index:
                parts.append(PatchMerging(embeds[index - 1], embeds[index], side))
                side = (side + 1) // 2
            drops = [drop_depth(before + block, total) for block in range(max(stage.depths))]
            parts.append(_stage(f"stage{index + 1}", stage, embeds[index], side, PAPER_SIDES[index], drops))
            before += max(stage.depths)
        self.stages = nn.Sequential(*parts)
        self.norm = ElasticLayerNorm(embeds[-1])
        self.head = ElasticLinear(embeds[-1], task.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes), from the mean over the last map."""
        x = self.patch_norm(self.patches(images).permute(0, 2, 3, 1))
        return self.head(self.norm(self.stages(x)).mean((1, 2)))  # type: ignore[no-any-return]


def _stage(name: str, stage: StageIntervals, embed: Choice, side: int, paper_side: int, drops: Sequence[float]) -> nn.Module:
    """The blocks of one stage, every second one with shifted windows; `drops` are their `drop_depth`s."""
    window = Choice(f"{name}.window", stage.windows) if len(stage.windows) > 1 else None
    windows = Chosen(window, tuple(window_side(option, side, paper_side) for option in stage.windows))
    blocks = []
    for index in range(1, max(stage.depths) + 1):
        heads = Choice(f"{name}.block{index}.heads", stage.heads)
        head_dims = Chosen(Choice(f"{name}.block{index}.head_dim", stage.head_dims), stage.head_dims)
        ratio = Choice(f"{name}.block{index}.mlp_ratio", stage.mlp_ratios)
        shifted = index % 2 == 0
        attention = WindowAttention(side, embed, heads, head_dims, windows, shifted)
        described: dict[str, Value | str] = {
            "attention": "window",
            "window": windows.value,
            "heads": heads,
            "head_dim": head_dims.value,
            "shifted": int(shifted),
        }
        blocks.append(TransformerBlock(embed, attention, scaled(embed, ratio), described, drops[index - 1]))
    return Depth(blocks, Chosen(Choice(f"{name}.depth", stage.depths), stage.depths).value)


def published(depths: Sequence[int], windows: Sequence[int]) -> dict[str, Option]:
    """Decisions of a published network; a window of 14 in the last stage, whose map has side 7, is one of 7."""
    decisions: dict[str, Option] = {}
    for index, (depth, window) in enumerate(zip(depths, windows, strict=True)):
        name = f"stage{index + 1}"
        decisions |= {f"{name}.embed": EMBEDS[index], f"{name}.depth": depth}
        if PAPER_SIDES[index] >= 14:
            decisions[f"{name}.window"] = window
        for block in range(1, depth + 1):
            decisions |= {
                f"{name}.block{block}.heads": HEADS[index],
                f"{name}.block{block}.head_dim": HEAD_DIM,
                f"{name}.block{block}.mlp_ratio": MLP_RATIO,
            }
    return decisions


DEPTHS = {"s3-t": (2, 2, 6, 2), "s3-s": (2, 2, 18, 2), "s3-b": (2, 2, 30, 2)}
WINDOWS = {"s3-t": (7, 7, 14, 7), "s3-s": (14, 14, 14, 14), "s3-b": (7, 7, 14, 7)}


def s3(name: str, stages: Sequence[StageIntervals] | None = None) -> Space:
    """The space around one of the published networks.

    Args:
        name: 's3-t', 's3-s' or 's3-b'.
        stages: intervals other than `intervals` gives; the published network is then not known by name.
    """
    chosen = tuple(stages or intervals(DEPTHS[name]))
    return Space(
        f"vit:{name}",
        lambda task: S3Network(chosen, task),
        known={} if stages else {name: published(DEPTHS[name], WINDOWS[name])},
        task=Task(channels=3, resolution=224, classes=1000),
        summary=f"{len(chosen)} stages of attention in windows, up to {max(max(stage.depths) for stage in chosen)} blocks",
        source=SOURCE,
    )


def s3_t() -> Space:
    """Around the network of 28 M parameters."""
    return s3("s3-t")


def s3_s() -> Space:
    """Around the network of 50 M parameters."""
    return s3("s3-s")


def s3_b() -> Space:
    """Around the network of 71 M parameters."""
    return s3("s3-b")
