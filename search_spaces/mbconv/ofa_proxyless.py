"""Once-for-All on the widths of ProxylessNAS (Cai et al., Once-for-All: Train One Network and Specialize it, 2020)."""

from __future__ import annotations

from functools import partial

from torch import nn

from nas.supernet import Space, Task
from search_spaces.mbconv.ofa import DEPTHS, EXPANSIONS, KERNELS, with_learned_kernels
from search_spaces.mbconv.stages import Macro, Stage, StagedNetwork, scaled

STAGES = ((24, 2, DEPTHS), (40, 2, DEPTHS), (80, 2, DEPTHS), (96, 1, DEPTHS), (192, 2, DEPTHS), (320, 1, (1,)))
"""Width, stride and depths of the stages; the last one is a single block, whose kernel and expansion are searched too."""


def macro(width: float = 1.0) -> Macro:
    """The table of stages; every width is multiplied by `width`."""
    stages = [
        Stage(f"stage{number}", scaled([channels], width), depths, KERNELS, EXPANSIONS, stride, nn.ReLU6)
        for number, (channels, stride, depths) in enumerate(STAGES, 1)
    ]
    return with_learned_kernels(width, 32, nn.ReLU6, stages, nn.ReLU6, mixing=False)


def ofa_proxyless(width: float = 1.0) -> Space:
    """The space, for ImageNet by default.

    Args:
        width: multiplies all widths.
    """
    return Space(
        "mbconv:ofa-proxyless",
        partial(StagedNetwork, macro=macro(width)),
        task=Task(channels=3, resolution=224, classes=1000),
        summary="21 blocks of kernel 3 to 7 and expansion 3 to 6, depth 2 to 4 a stage, resolution 128 to 224, learned kernels",
        source="Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, 2020",
    )
