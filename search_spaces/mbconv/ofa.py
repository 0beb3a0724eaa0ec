"""The MobileNetV3 space of Once-for-All (Cai et al., Once-for-All: Train One Network and Specialize it, 2020).

Five stages of two to four blocks; every block has a kernel and an expansion of its own, and a smaller kernel is a learned
function of the larger one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from torch import nn

from nas.choices import Option
from nas.elastic import ElasticTransformedConv2d
from nas.supernet import Space, Task
from search_spaces.mbconv.stages import Macro, Stage, StagedNetwork, scaled

RESOLUTIONS = tuple(range(128, 225, 4))
"""Sides of the images, 25 of them."""

DEPTHS = (2, 3, 4)
KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 6)

STAGES: tuple[tuple[int, int, type[nn.Module], bool], ...] = (
    (24, 2, nn.ReLU, False),
    (40, 2, nn.ReLU, True),
    (80, 2, nn.Hardswish, False),
    (112, 1, nn.Hardswish, True),
    (160, 2, nn.Hardswish, True),
)
"""Width, stride, activation and squeeze-and-excitation of the five stages."""


def with_learned_kernels(
    width: float, stem: int, first: type[nn.Module], stages: Sequence[Stage], activation: type[nn.Module], mixing: bool
) -> Macro:
    """What the authors' mobile spaces have in common, around a first block of 16 channels that is not searched.

    Args:
        width: multiplies the widths of the stem, the first block and the last layer; `stages` have theirs already.
        first: activation of the first block.
        activation, mixing: see `Macro`.
    """
    return Macro(
        resolution=RESOLUTIONS,
        stem=scaled([stem], width),
        stages=(Stage("first", scaled([16], width), (1,), (3,), (1,), 1, first), *stages),
        last=scaled([1280], width),
        activation=activation,
        mixing=mixing,
        dropout=0.1,
        per_block=True,
        residual=False,
        convolution=ElasticTransformedConv2d,
    )


def macro(width: float = 1.0) -> Macro:
    """The table of stages; every width is multiplied by `width`."""
    stages = [
        Stage(f"stage{number}", scaled([channels], width), DEPTHS, KERNELS, EXPANSIONS, stride, activation, squeeze)
        for number, (channels, stride, activation, squeeze) in enumerate(STAGES, 1)
    ]
    return with_learned_kernels(width, 16, nn.ReLU, stages, nn.Hardswish, mixing=True)


def ofa(width: float = 1.0, name: str = "mbconv:ofa", known: Mapping[str, Mapping[str, Option]] | None = None) -> Space:
    """The space, for ImageNet by default.

    Args:
        width: multiplies all widths; the paper's supernets have 1.0 and 1.2.
        known: published networks of this width.
    """
    return Space(
        name,
        partial(StagedNetwork, macro=macro(width)),
        known=known,
        task=Task(channels=3, resolution=224, classes=1000),
        summary="20 blocks of kernel 3 to 7 and expansion 3 to 6, depth 2 to 4 a stage, resolution 128 to 224, learned kernels",
        source="Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, 2020",
    )


def specialised(resolution: int, *stages: str) -> dict[str, Option]:
    """Decisions from one word list a stage, such as 'k5e4 k3e3 k3e4': kernel and expansion of each of its blocks."""
    decisions: dict[str, Option] = {"resolution": resolution}
    for number, stage in enumerate(stages, 1):
        blocks = stage.split()
        decisions[f"stage{number}.depth"] = len(blocks)
        for index, block in enumerate(blocks, 1):
            decisions[f"stage{number}.block{index}.kernel"] = int(block[1])
            decisions[f"stage{number}.block{index}.expand"] = int(block[3])
    return decisions


WIDE = 1.2
"""Width multiplier of the authors' larger supernet."""

WIDE_KNOWN = {
    "note10-30ms": specialised(224, "k3e3 k3e3", "k5e4 k3e3 k3e4", "k5e4 k5e4 k3e3", "k3e6 k3e4 k3e4", "k3e6 k3e6 k3e4 k3e3"),
    "note10-41ms": specialised(
        220, "k3e3 k3e4", "k7e4 k3e4 k3e6", "k7e6 k3e6 k3e3 k3e4", "k3e6 k5e6 k3e6 k3e4", "k3e6 k3e6 k3e6 k3e3"
    ),
    "note10-50ms": specialised(
        220, "k5e3 k3e6 k3e6", "k5e4 k3e6 k3e6 k5e3", "k7e6 k7e6 k3e4 k5e4", "k7e6 k5e6 k3e6 k3e6", "k3e6 k3e6 k3e6"
    ),
}
"""Networks that the authors released, each named by its device and the latency that they give it."""


def ofa_w1_2() -> Space:
    """The space of the larger supernet, whose blocks the authors measured on a phone."""
    return ofa(WIDE, "mbconv:ofa-w1.2", WIDE_KNOWN)
