"""The spaces of ViT-ResNAS (Liao et al., Searching for efficient multi-stage vision transformers, 2021).

Three stages at 16 x 16, 8 x 8 and 4 x 4 patches: one width a stage, heads and the perceptron's width for each block, and
blocks that may be left out. The small and the medium network come from one space under two limits on multiply-adds.
"""

from __future__ import annotations

from collections.abc import Sequence

from nas.choices import Option
from nas.supernet import Space, Task
from search_spaces.vit.resnas_layers import ResNasOptions, layers, read
from search_spaces.vit.resnas_network import BLOCK, CONV_PATCH, HEAD, REDUCTION, Layer, ResNasNetwork

SOURCE = "Liao et al., ViT-ResNAS, 2021"

TINY = ResNasOptions(
    blocks=(6, 6, 6),
    removable=(2, 4, 6),
    embeds=((160, 176, 192, 224, 256), (320, 352, 384, 448, 512), (640, 704, 768, 896, 1024)),
    heads=((3, 4, 5, 6), (6, 8, 10, 12), (6, 8, 10, 12)),
    head_dims=(32, 48, 64),
    hidden=(tuple(range(384, 769, 64)), tuple(range(768, 1537, 128)), tuple(range(1536, 3073, 256))),
)
SMALL = ResNasOptions(
    blocks=(7, 7, 7),
    removable=(2, 4, 6),
    embeds=((200, 220, 240, 280, 320), (400, 440, 480, 560, 640), (800, 880, 960, 1120, 1280)),
    heads=((5, 6, 7, 8), (10, 12, 14, 16), (10, 12, 14, 16)),
    head_dims=(32, 48, 64),
    hidden=(tuple(range(480, 961, 80)), tuple(range(960, 1921, 160)), tuple(range(1920, 3841, 320))),
)
"""Of the small and of the medium search."""


def network(
    embeds: Sequence[int],
    heads: Sequence[Sequence[int]],
    head_dims: Sequence[int],
    hidden: Sequence[Sequence[int]],
    classes: int = 1000,
) -> tuple[Layer, ...]:
    """The tuples of a network from its widths and the lists of its blocks, stage by stage."""
    result: list[Layer] = []
    for stage, embed in enumerate(embeds):
        result.append((CONV_PATCH, embed) if stage == 0 else (REDUCTION, embeds[stage - 1], embed))
        result += [
            (BLOCK, (embed, count, head_dims[stage]), (embed, width), 1)
            for count, width in zip(heads[stage], hidden[stage], strict=True)
        ]
    return (*result, (HEAD, embeds[-1], classes))


VIT_RES_TINY = network((192, 384, 768), ([3] * 4, [6] * 4, [12] * 4), (64, 64, 64), ([768] * 4, [1536] * 4, [3072] * 4))
"""The network by hand whose multiply-adds are the limit of the tiny search; its heads are wider than the space's."""

SEARCHED = {
    "vit-resnas-tiny": network(
        (176, 352, 704),
        ((3, 3, 3, 4, 4), (10, 8, 8, 8, 10, 10), (10, 10, 10, 8, 8)),
        TINY.head_dims,
        (
            (704, 576, 640, 576, 704),
            (1408, 1408, 1280, 1408, 1280, 1024),
            (2560, 1792, 2816, 2816, 2560),
        ),
    ),
    "vit-resnas-small": network(
        (220, 440, 880),
        ((5, 5, 7, 5, 5, 5), (10, 10, 10, 10, 12, 12), (16, 12, 16, 12, 14)),
        SMALL.head_dims,
        (
            (880, 880, 800, 720, 720, 720),
            (1760, 1440, 1920, 1600, 1600, 1440),
            (3200, 3200, 2880, 2240, 2560),
        ),
    ),
    "vit-resnas-medium": network(
        (240, 640, 880),
        ((7, 6, 7, 8, 7, 8, 6), (10, 14, 14, 16, 14, 16, 16), (16, 10, 16, 12, 16, 14)),
        SMALL.head_dims,
        (
            (960, 960, 800, 960, 880, 880, 800),
            (1120, 1760, 1920, 1760, 1440, 1760, 1920),
            (3200, 3840, 3840, 3200, 3520, 3520),
        ),
    ),
}


def resnas(name: str, options: ResNasOptions, searched: Sequence[str] = ()) -> Space:
    """A space of this kind for ImageNet.

    Args:
        searched: names in `SEARCHED` of the networks it knows.
    """
    known: dict[str, dict[str, Option]] = {found: read(options, SEARCHED[found]) for found in searched}
    return Space(
        f"vit:{name}",
        lambda task: ResNasNetwork(layers(options, task.classes), task),
        known=known,
        task=Task(channels=3, resolution=224, classes=1000),
        summary=f"{len(options.blocks)} stages of up to {max(options.blocks)} blocks, each with its heads and width",
        source=SOURCE,
    )


def resnas_tiny() -> Space:
    """The space of the tiny search, up to 3.5 G multiply-adds."""
    return resnas("resnas-tiny", TINY, ("vit-resnas-tiny",))


def resnas_small() -> Space:
    """The space of the small and the medium search, up to 6.3 G multiply-adds."""
    return resnas("resnas-small", SMALL, ("vit-resnas-small", "vit-resnas-medium"))


def resnas_medium() -> Space:
    """The same space by the name of its larger search."""
    return resnas("resnas-medium", SMALL, ("vit-resnas-small", "vit-resnas-medium"))
