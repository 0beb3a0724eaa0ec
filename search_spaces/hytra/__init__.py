"""HyTra: convolution and attention in one chain, with searched positions of down-sampling."""

from __future__ import annotations

from nas.supernet import Family, Space, Task
from search_spaces.hytra.blocks import RETRAINED
from search_spaces.hytra.fabric import Fabric
from search_spaces.hytra.network import Form, HytraNetwork
from search_spaces.hytra.paths import count_paths, parse_lists

LAYERS = 16

BOSSNET = ((1,), (1,), (1, 1, 1, 0, 1), (0, 0, 0, 1, 0, 0, 0, 0, 0))
"""The searched network: for each map from 56 x 56 down, 1 for ResConv and 0 for ResAtt."""


def hytra(name: str, form: Form, known: str, summary: str, layers: int = LAYERS, resolution: int = 224) -> Space:
    """The fabric with a number of layers, in one of its forms."""
    fabric = Fabric.of(layers)
    return Space(
        name,
        lambda task: HytraNetwork(task, fabric, form),
        known={known: fabric.decisions(parse_lists(BOSSNET))} if layers == LAYERS else {},
        task=Task(channels=3, resolution=resolution, classes=1000),
        summary=summary,
        source="Li et al., BossNAS: Exploring Hybrid CNN-transformers with Block-wisely Self-supervised NAS, 2021",
        isomorphism=fabric.clipped,
        size=count_paths(layers, starts=(3, 2, 1, 0)),
    )


def bossnas() -> Space:
    """The fabric as it is searched."""
    return hytra("hytra:bossnas", Form(), "bossnet", "16 layers of ResConv or ResAtt on four scales, as searched")


def bossnet() -> Space:
    """The fabric as BossNet-T0 is retrained: SiLU, squeeze-and-excitation in ResConv, mean-pooled shortcuts."""
    form = Form(RETRAINED, projected_stem=False)
    return hytra("hytra:bossnet", form, "bossnet-t0", "the fabric as retrained: SiLU, squeeze-and-excitation")


def bossnet_t1() -> Space:
    """The same with the 14 x 14 map kept to the end, as in BossNet-T1."""
    form = Form(RETRAINED, projected_stem=False, last_stride=1)
    return hytra("hytra:bossnet-t1", form, "bossnet-t1", "the retrained fabric with its 14 x 14 map kept to the end")


FAMILY = Family(
    presets={"bossnas": bossnas, "bossnet": bossnet, "bossnet-t1": bossnet_t1},
    default="bossnas",
    summary="hybrids of convolution and attention, with searched down-sampling",
)
