"""The space of BigNAS (Yu et al., BigNAS: Scaling up Neural Architecture Search with Big Single-Stage Models, 2020).

Width, depth and kernel are decided for each of seven stages; every block has a shortcut and squeeze-and-excitation; a
smaller kernel is the centre of the larger one. The head is EfficientNet's: a convolution to the last width, then the mean.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from nas.supernet import Space, Task
from search_spaces.mbconv.stages import Macro, Stage, StagedNetwork

STAGES: tuple[Stage, ...] = (
    Stage("mb1", (16, 24), (1, 2), (3,), (1,), 1, nn.SiLU, squeeze=True),
    Stage("mb2", (24, 32), (2, 3), (3,), (6,), 2, nn.SiLU, squeeze=True),
    Stage("mb3", (40, 48), (2, 3), (3, 5), (6,), 2, nn.SiLU, squeeze=True),
    Stage("mb4", (80, 88), (2, 3, 4), (3, 5), (6,), 2, nn.SiLU, squeeze=True),
    Stage("mb5", (112, 120, 128), (2, 3, 4, 5, 6), (3, 5), (6,), 1, nn.SiLU, squeeze=True),
    Stage("mb6", (192, 200, 208, 216), (2, 3, 4, 5, 6), (3, 5), (6,), 2, nn.SiLU, squeeze=True),
    Stage("mb7", (320, 352), (1, 2), (3, 5), (6,), 1, nn.SiLU, squeeze=True),
)


def bignas(zero_init: bool = False, dropout: float = 0.2, gate: type[nn.Module] = nn.Hardsigmoid) -> Space:
    """The space, for ImageNet by default.

    Args:
        zero_init: begin with blocks that are their shortcuts alone, see `blocks.MBConv`.
        dropout: before the classifier.
        gate: the last function of squeeze-and-excitation; the default is an assumption.
    """
    macro = Macro(
        resolution=(192, 224, 288, 320),
        stem=(32, 40),
        stages=STAGES,
        last=(1280, 1408),
        activation=nn.SiLU,
        mixing=False,
        dropout=dropout,
        per_block=False,
        residual=True,
        gate=gate,
        zero_init=zero_init,
    )
    return Space(
        "mbconv:bignas",
        partial(StagedNetwork, macro=macro),
        task=Task(channels=3, resolution=320, classes=1000),
        summary="width, depth and kernel of 7 stages, squeeze-and-excitation everywhere, resolution 192 to 320",
        source="Yu et al., BigNAS: Scaling up Neural Architecture Search with Big Single-Stage Models, 2020",
    )
