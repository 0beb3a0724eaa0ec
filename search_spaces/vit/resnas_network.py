"""The network of ViT-ResNAS (Liao et al., Searching for efficient multi-stage vision transformers, 2021).

A network is written as a tuple of layers, each a tuple that begins with a code:

    (0, C)                                     patch embedding: a 14 x 14 convolution
    (4, C)                                     convolutional patch embedding of 24 middle channels
    (5, C, middle)                             the same with other middle channels
    (1, (C, heads, features), (C, hidden), e)  transformer block, `features` a head; e = 0: it is left out
    (3, C, C')                                 residual spatial reduction
    (2, C, classes)                            head

Sizes may be symbolic; the layers of a whole space then are written in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import nn

from nas.base.errors import NasError
from nas.choices import Expression
from nas.elastic import ElasticAttention, ElasticLayerNorm, ElasticLinear, ElasticPatchEmbedding, Optional
from nas.supernet import Task
from search_spaces.vit.blocks import ClassToken, PositionEmbedding, TransformerBlock, drop_depth, patch_side
from search_spaces.vit.convolutions import ConvPatchEmbedding, SpatialReduction

Layer: TypeAlias = tuple[Any, ...]

PATCH, HEAD, BLOCK, REDUCTION, CONV_PATCH, WIDE_CONV_PATCH = 0, 2, 1, 3, 4, 5
"""The codes of the layers."""

PATCH_SIDE = 14
MIDDLE = 24
"""Middle channels of the convolutional patch embedding."""


class ResNasNetwork(nn.Module):
    """The network that a tuple of layers describes; the classes are the task's.

    Args:
        layers: an embedding, blocks and reductions, a head.
        task: at 224 px the grid has 16 x 16 patches; below 112 px patches are chosen so that there are about 8 x 8.
    """

    def __init__(self, layers: Sequence[Layer], task: Task) -> None:
        super().__init__()
        first, *between, last = layers
        patch = patch_side(task.resolution, PATCH_SIDE)
        side = task.resolution // patch
        self.patches = _embedding(first, task.channels, patch)
        self.class_token = ClassToken(first[1])
        self.position = PositionEmbedding(1 + side**2, first[1])
        modules: list[nn.Module] = []
        blocks = sum(layer[0] == BLOCK for layer in between)
        passed = 0
        for layer in between:
            if layer[0] == REDUCTION:
                modules.append(SpatialReduction(layer[1], layer[2], side))
                side = (side + 1) // 2
            elif layer[0] == BLOCK:
                modules += _block(layer, drop_depth(passed, blocks))
                passed += 1
            else:
                raise NasError(f"layer {layer!r} cannot stand between embedding and head; codes there are 1 and 3")
        self.layers = nn.Sequential(*modules)
        if last[0] != HEAD:
            raise NasError(f"a network ends with (2, C, classes); given {last!r}")
        self.norm = ElasticLayerNorm(last[1])
        self.head = ElasticLinear(last[1], task.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes), from the class token."""
        return self.head(self.norm(self._tokens(images)[:, 0]))  # type: ignore[no-any-return]

    def with_patches(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (N, C, H, W) -> scores (N, classes) and the patches of the last grid, normed, (N, side^2, C').

        For training: see `nas.training.patch_mixup`.
        """
        tokens = self.norm(self._tokens(images))
        return self.head(tokens[:, 0]), tokens[:, 1:]

    def _tokens(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.class_token(self.patches(images).flatten(2).transpose(1, 2))
        return self.layers(self.position(tokens))  # type: ignore[no-any-return]


def _embedding(layer: Layer, channels: int, patch: int) -> nn.Module:
    code, width = layer[:2]
    if code == PATCH:
        return ElasticPatchEmbedding(channels, width, patch)
    if code in (CONV_PATCH, WIDE_CONV_PATCH):
        return ConvPatchEmbedding(channels, width, MIDDLE if code == CONV_PATCH else layer[2], patch)
    raise NasError(f"a network begins with a patch embedding, code 0, 4 or 5; given {layer!r}")


def _block(layer: Layer, depth: float) -> list[nn.Module]:
    _, (width, heads, features), (_, hidden), exists = layer
    if not isinstance(exists, Expression) and not exists:
        return []
    described = {"attention": "global", "heads": heads, "head_dim": features}
    block = TransformerBlock(width, ElasticAttention(width, heads, features), hidden, described, depth)
    return [Optional(block, exists) if isinstance(exists, Expression) else block]


def apply_depth_rule(exists: Sequence[bool], removable: Sequence[bool]) -> tuple[bool, ...]:
    """Which blocks are run: one that is off switches off the removable ones right behind it, up to one that must stay.

    Where every second block must stay, as in the published spaces, this changes nothing.
    """
    result: list[bool] = []
    for here, may_go in zip(exists, removable, strict=True):
        follows = may_go and bool(result) and not result[-1]
        result.append((here and not follows) or not may_go)
    return tuple(result)
