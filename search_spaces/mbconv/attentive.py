"""The space of AttentiveNAS and AlphaNet (Wang et al., AttentiveNAS, 2021; Wang et al., AlphaNet, 2021).

Width, depth, kernel and expansion are decided for each of seven stages; every block has a shortcut; a smaller kernel is the
centre of the larger one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import nn

from nas.choices import Option
from nas.supernet import Space, Task
from search_spaces.mbconv.stages import Macro, Stage, StagedNetwork

STAGES: tuple[Stage, ...] = (
    Stage("mb1", (16, 24), (1, 2), (3, 5), (1,), 1, nn.SiLU),
    Stage("mb2", (24, 32), (3, 4, 5), (3, 5), (4, 5, 6), 2, nn.SiLU),
    Stage("mb3", (32, 40), (3, 4, 5, 6), (3, 5), (4, 5, 6), 2, nn.SiLU, squeeze=True),
    Stage("mb4", (64, 72), (3, 4, 5, 6), (3, 5), (4, 5, 6), 2, nn.SiLU),
    Stage("mb5", (112, 120, 128), (3, 4, 5, 6, 7, 8), (3, 5), (4, 5, 6), 1, nn.SiLU, squeeze=True),
    Stage("mb6", (192, 200, 208, 216), (3, 4, 5, 6, 7, 8), (3, 5), (6,), 2, nn.SiLU, squeeze=True),
    Stage("mb7", (216, 224), (1, 2), (3, 5), (6,), 1, nn.SiLU, squeeze=True),
)

MACRO = Macro(
    resolution=(192, 224, 256, 288),
    stem=(16, 24),
    stages=STAGES,
    last=(1792, 1984),
    activation=nn.SiLU,
    mixing=True,
    dropout=0.2,
    per_block=False,
    residual=True,
    dropped=2,
)


def _network(resolution: int, widths: str, kernels: str, expansions: str, depths: str) -> dict[str, Option]:
    """Decisions from a line of the authors' table: widths of stem, stages and last layer, then a figure for each stage."""
    stem, *middle, last = map(int, widths.split())
    decisions: dict[str, Option] = {"resolution": resolution, "stem.width": stem, "last.width": last}
    figures = zip(STAGES, middle, kernels, expansions, depths, strict=True)
    for stage, width, kernel, expand, depth in figures:
        chosen = {"width": width, "kernel": int(kernel), "expand": int(expand), "depth": int(depth)}
        options = {"width": stage.width, "kernel": stage.kernel, "expand": stage.expand, "depth": stage.depth}
        decisions.update({f"{stage.name}.{what}": chosen[what] for what in chosen if len(options[what]) > 1})
    return decisions


KNOWN = {
    "a0": _network(192, "16 16 24 32 64 112 192 216 1792", "3333333", "1444466", "1333331"),
    "a1": _network(224, "16 16 24 32 64 112 192 216 1984", "3335353", "1444466", "1333331"),
    "a2": _network(224, "16 16 24 32 64 112 200 224 1984", "3333353", "1454466", "1333341"),
    "a3": _network(224, "16 16 24 32 64 112 208 224 1984", "3335333", "1444466", "2334351"),
    "a4": _network(256, "16 16 24 32 64 112 192 216 1984", "3335353", "1445466", "1334351"),
    "a5": _network(256, "16 16 24 32 72 112 192 216 1792", "3335333", "1454466", "1333461"),
    "a6": _network(288, "16 16 24 32 64 112 216 224 1984", "3333353", "1465466", "1334461"),
}


def attentive(zero_init: bool = False) -> Space:
    """The space, for ImageNet by default.

    Args:
        zero_init: begin with blocks that are their shortcuts alone, see `blocks.MBConv`.
    """
    return Space(
        "mbconv:attentive",
        partial(StagedNetwork, macro=replace(MACRO, zero_init=zero_init)),
        known=KNOWN,
        task=Task(channels=3, resolution=288, classes=1000),
        summary="width, depth, kernel and expansion of 7 stages, resolution 192 to 288",
        source="Wang et al., AttentiveNAS: Improving Neural Architecture Search via Attentive Sampling, 2021",
    )
