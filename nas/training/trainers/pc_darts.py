"""Partial channel connections and edge normalisation (Xu et al., PC-DARTS, 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import nn

from nas.supernet import Space
from nas.training.differentiable.parameters import Vectors
from nas.training.differentiable.partial_channels import PartialChannels, divisible_places
from nas.training.recipe import Recipe, own
from nas.training.trainer import Engine
from nas.training.trainers.darts import Darts, DartsRecipe


class PcDartsRecipe(DartsRecipe):
    """Figures of the partial channels."""

    channel_parts: int = Field(4, ge=2, description="k: operators see one of k parts of an edge's channels")


class EdgeParameters(nn.Module):
    """Architecture parameters of operators, (O,) for each edge, and of edges, (E,) for each node."""

    def __init__(self, alphas: Vectors, betas: Vectors) -> None:
        super().__init__()
        self.alphas = alphas
        self.betas = betas


class PcDarts(Darts):
    """DARTS on a part of the channels, and the edges of a node weighed against one another.

    A quarter of the channels goes through the operators and the rest passes them by, which takes less memory and disfavours
    operators without weights; the softmax over the edges of a node makes up for the sampling. Operators use the first channels
    of the supernet's weights. An edge where the number of channels changes mixes them all.
    """

    defaults: ClassVar[Recipe] = PcDartsRecipe(
        optimiser="sgd",
        learning_rate=0.1,
        last_rate=0.0,
        reference_batch=256,
        batch_size=256,
        momentum=0.9,
        weight_decay=3e-4,
        decay_of="all",
        schedule="cosine",
        label_smoothing=0.0,
        clip_norm=5.0,
        norm_affine=False,
        architecture_share=0.5,
        epochs=50,
        order="first",
        architecture_rate=6e-4,
        frozen_epochs=15,
    )
    summary = "darts on a quarter of the channels, with weights of the edges; architecture fixed in the first epochs"
    source = "Xu et al., PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search, 2020"

    state: EdgeParameters

    @classmethod
    def misfit(cls, space: Space, recipe: Recipe) -> str | None:
        """As for darts, and some choice of operators must be able to run on a part of the channels."""
        why = super().misfit(space, recipe)
        if why is not None:
            return why
        network, parts = space.without_memory(), own(recipe, PcDartsRecipe).channel_parts
        if not divisible_places(network, space.relax(network), space.task, parts):
            return f"none of its operators keeps a number of channels that has {parts} equal parts"
        return None

    def prepare(self, engine: Engine) -> None:
        """As for darts; finds out which places can be divided."""
        super().prepare(engine)
        self.parts = own(engine.recipe, PcDartsRecipe).channel_parts
        self.divided = divisible_places(engine.supernet.network, self.relaxation, engine.supernet.task, self.parts)

    def make_parameters(self, engine: Engine) -> nn.Module:
        """Those of operators and of edges."""
        std = own(engine.recipe, PcDartsRecipe).alpha_std
        alphas = Vectors([len(edge.operators) for edge in self.relaxation.edges], std, engine.seed, "architecture parameters")
        betas = Vectors([len(node) for node in self.relaxation.nodes], std, engine.seed, "edge parameters")
        return EdgeParameters(alphas, betas)

    def weights(self) -> list[torch.Tensor]:
        """The weights of the operators, (O,) for each edge, followed by those of the edges, a scalar each."""
        scales: dict[int, torch.Tensor] = {}
        for node, beta in zip(self.relaxation.nodes, self.state.betas.values(), strict=True):
            scales |= dict(zip(node, beta.softmax(0), strict=True))
        operators = [alpha.softmax(0) for alpha in self.state.alphas.values()]
        return [*operators, *(scales[edge] for edge in range(len(operators)))]

    def mixed(self, weights: Sequence[torch.Tensor]) -> AbstractContextManager[None]:
        """Inside, edges mix their operators on a part of the channels."""
        edges = len(self.relaxation.edges)
        return PartialChannels(self.relaxation, weights[:edges], weights[edges:], self.parts, self.divided)

    def scores(self) -> list[np.ndarray]:
        """Weight of the operator times weight of the edge."""
        values = super().scores()
        edges = len(self.relaxation.edges)
        return [operators * scale for operators, scale in zip(values[:edges], values[edges:], strict=True)]
