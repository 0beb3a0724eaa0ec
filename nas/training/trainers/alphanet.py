"""The sandwich rule with the adaptive alpha-divergence (Wang et al., AlphaNet, 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from nas.training.trainers.attentive import Attentive
from nas.training.trainers.sandwich import Sandwich, SandwichRecipe


class AlphaNet(Sandwich):
    """The sandwich rule in which the others learn from the largest by whichever of two alpha-divergences is larger.

    The loss punishes both too much and too little uncertainty; its gradients need clipping. Networks are drawn uniformly.
    """

    defaults = SandwichRecipe(
        **{**Attentive.defaults.model_dump(exclude_unset=True), "sampling": "uniform", "distillation": "alpha"}
    )
    summary = "the sandwich rule with an adaptive alpha-divergence from the largest"
    source = "Wang et al., AlphaNet: Improved Training of Supernets with Alpha-Divergence, 2021"
    origins: ClassVar[Mapping[str, str]] = {"size_sample": "ours"}
