"""The sandwich rule with attentive sampling (Wang et al., AttentiveNAS, 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from nas.training.trainers.sandwich import Sandwich, SandwichRecipe


class Attentive(Sandwich):
    """The sandwich rule whose random networks are the best (or worst) of several of one size on the batch of the step.

    Sizes are drawn as often as random networks have them; the candidates of a size are compared by a forward pass each.
    """

    defaults = SandwichRecipe(
        optimiser="sgd",
        nesterov=True,
        learning_rate=0.1,
        reference_batch=256,
        momentum=0.9,
        weight_decay=1e-5,
        schedule="cosine",
        warmup=5 / 360,
        label_smoothing=0.1,
        dropout=0.2,
        drop_path=0.2,
        clip_value=1.0,
        epochs=360,
        sampling="best-up",
    )
    summary = "the sandwich rule on the best or worst of several random sub-networks of one size"
    source = "Wang et al., AttentiveNAS: Improving Neural Architecture Search via Attentive Sampling, 2021"
    origins: ClassVar[Mapping[str, str]] = {
        "sampling": "the paper studies best-up and worst-up; the choice is ours",
        "size_sample": "ours",
    }
