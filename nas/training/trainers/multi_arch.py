"""Multi-architectural sampling (Liao et al., ViT-ResNAS, 2021): several sub-networks in one forward and backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import nn

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.base.seeds import generator, integer_seed
from nas.data import Batch
from nas.elastic import Slots, sort_channels
from nas.elastic.batchable import shared_choices
from nas.elastic.batched import slot_counts
from nas.supernet import Space
from nas.training.optimisers import build_optimiser
from nas.training.patch_mixup import mix_patches, offers_patches, patch_head, patch_loss
from nas.training.recipe import Recipe, own
from nas.training.trainer import Engine, Phase, StepContext, Trainer


class MultiArchRecipe(Recipe):
    """What this trainer adds to every recipe."""

    examples_per_arch: int = Field(64, gt=0, description="images of each sub-network; batch size / this = sub-networks a pass")
    option_warmup: float = Field(
        30, ge=0, allow_inf_nan=False, description="epochs until every option is available, from the largest down; 0: at once"
    )
    sort_channels: bool = Field(
        True, description="whether channels are sorted by importance in each epoch of the option warm-up"
    )
    patch_mixup: bool | None = Field(
        None, description="whether images are mixed patch by patch, with a loss on every patch; null: where the network can"
    )


class MultiArch(Trainer):
    """Every image of a batch belongs to one of several sub-networks, and all of them share one pass.

    Image i belongs to sub-network i modulo M; processes that train together train the same ones. Every decision spreads its
    options evenly over the M sub-networks, in an order of its own. At first only the largest option of each decision is
    available, then one more at a time; in these epochs attention heads and hidden channels are sorted by the sum of their
    absolute weights.

    The defaults are the paper's for its tiny space: AdamW, rate 5e-4 for a batch of 512, weight decay 0.05, 5 of 120 epochs
    warm-up, stochastic depth of 0.2, token patch-mixup.
    """

    defaults = MultiArchRecipe(
        optimiser="adamw",
        learning_rate=5e-4,
        reference_batch=512,
        batch_size=128,
        weight_decay=0.05,
        schedule="cosine",
        warmup=5 / 120,
        label_smoothing=0.1,
        drop_path=0.2,
        epochs=120,
    )
    summary = "several random sub-networks in one pass, options from the largest down"
    source = "Liao et al., Searching for Efficient Multi-Stage Vision Transformers (ViT-ResNAS), 2021"
    origins: ClassVar[dict[str, str]] = {
        "batch_size": "one of the paper's eight GPUs; 1024 in all",
        "schedule": "DeiT (Touvron et al. 2021), whose training the paper follows",
        "label_smoothing": "DeiT (Touvron et al. 2021), whose training the paper follows",
    }

    def __init__(self) -> None:
        self._patches = False

    @classmethod
    def misfit(cls, space: Space, recipe: Recipe) -> str | None:
        """Spaces whose sub-networks cannot be laid out side by side; patch-mixup asked for where there are no patches."""
        asked = own(recipe, MultiArchRecipe).patch_mixup
        if space.unbatchable is None and asked and not offers_patches(space.without_memory()):
            return "its network has no method 'with_patches', which the loss on patches needs (patch_mixup)"
        return space.unbatchable

    @classmethod
    def tasks(cls, recipe: Recipe) -> tuple[str, ...]:
        """Classification: patches of mixed images are classified, too."""
        return ("classification",)

    def prepare(self, engine: Engine) -> None:
        """Lay out the sub-networks; make the classifier of the patches, with an optimiser like the supernet's."""
        recipe = own(engine.recipe, MultiArchRecipe)
        network = engine.supernet.network
        self._slots = Slots(network)
        column = engine.supernet.space.decisions.column
        self._shared = tuple(column[name] for name in shared_choices(network) if name in column)
        self._patches = offers_patches(network) if recipe.patch_mixup is None else recipe.patch_mixup
        if self._patches:
            drawn = torch.Generator().manual_seed(integer_seed(engine.seed, "patch head"))
            width, self._side = _patch_shape(engine)
            head = patch_head(width, engine.supernet.task.classes, drawn).to(engine.device)
            self.state: nn.Module | None = head
            self.optimisers = {"patches": build_optimiser(head, recipe)}

    def phases(self, steps: int, recipe: Recipe) -> list[Phase]:
        """The option warm-up, and what follows."""
        figures = own(recipe, MultiArchRecipe)
        together = f"{_slots_of(recipe.batch_size, figures)} sub-networks a pass"
        after = min(int(np.ceil(figures.option_warmup * steps / recipe.epochs)), steps)
        if after == 0:
            return [Phase("all options", 0, f"{together}, from all options")]
        warmup = Phase("option warm-up", 0, f"{together}, options from the largest down")
        return [warmup, Phase("all options", after, f"{together}, from all options")] if after < steps else [warmup]

    def step(self, context: StepContext, engine: Engine) -> float:
        """One pass of all the sub-networks; the loss is the mean over the batch."""
        recipe = own(context.recipe, MultiArchRecipe)
        epoch = int(context.epoch)
        if recipe.sort_channels and epoch <= recipe.option_warmup and recipe.option_warmup and _begins_epoch(context):
            sort_channels(engine.supernet, companions=engine.companions)
        batch = engine.batch()
        images = len(batch.images)
        slots = min(_slots_of(images * engine.ranks.size, recipe), images)
        options = available(context.decisions.cardinalities, epoch, recipe.option_warmup)
        rows = spread(context.decisions, options, slots, context.rng, self._shared)
        settings = engine.supernet.settings(rows)
        with self._slots.running(settings, slot_counts(images, slots)):
            with engine.autocast():
                loss = self._loss(batch, context, engine)
            loss.backward()
        return float(loss.detach())

    def after(self, context: StepContext, engine: Engine) -> None:
        """Step the classifier of the patches."""
        for optimiser in self.optimisers.values():
            engine.step_along(optimiser)

    def _loss(self, batch: Batch, context: StepContext, engine: Engine) -> torch.Tensor:
        supernet = engine.supernet
        if not self._patches:
            return context.loss(self._slots.run(batch.images, supernet), batch.targets)
        assert self.state is not None
        rng = generator(engine.seed, "patch-mixup", context.step, engine.ranks.rank)
        mixed = mix_patches(batch, supernet.task.classes, self._side, rng)
        scores, patches = self._slots.run(mixed.images, _with_patches(supernet.network))
        by_patch = patch_loss(self.state(patches), mixed.patch_targets, context.recipe.label_smoothing)
        return context.loss(scores, mixed.targets) + by_patch


def available(cardinalities: npt.NDArray[np.int64], epoch: int, warmup: float) -> npt.NDArray[np.int64]:
    """(D,): how many options of each decision are available in an epoch, counted from the largest.

    min(1 + floor(t (n - 1) / w), n) at epoch t of a warm-up of w epochs; without a warm-up all n.
    """
    if warmup == 0:
        return cardinalities
    return np.minimum(1 + np.floor(epoch * (cardinalities - 1) / warmup).astype(np.int64), cardinalities)


def spread(
    decisions: Decisions, options: npt.NDArray[np.int64], slots: int, rng: np.random.Generator, shared: tuple[int, ...] = ()
) -> Rows:
    """(M, D) canonical rows in which every decision has each of its available options as often as any other, or once more.

    Options are taken in random order, over and over until every slot has one, and dealt to the slots in another random order;
    both orders are drawn for each decision by itself.

    Args:
        options: (D,) how many options are available, counted from the last.
        shared: columns in which all the rows agree.
    """
    rows = np.empty((slots, len(decisions)), dtype=np.uint8, order="F")
    for column, (count, total) in enumerate(zip(options.tolist(), decisions.cardinalities.tolist(), strict=True)):
        cycle = rng.permutation(count)[np.arange(slots) % count]
        dealt = np.full(slots, cycle[0]) if column in shared else rng.permutation(cycle)
        rows[:, column] = total - count + dealt
    return decisions.canonical(rows)


def _with_patches(network: nn.Module) -> Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    method: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]] = getattr(network, "with_patches")  # noqa: B009
    return method


def _slots_of(examples: int, recipe: MultiArchRecipe) -> int:
    """How many sub-networks share a batch: at least one."""
    return max(1, examples // recipe.examples_per_arch)


def _begins_epoch(context: StepContext) -> bool:
    before = (context.step - 1) / context.steps * context.recipe.epochs
    return context.step == 0 or int(context.epoch) > int(before)


@torch.no_grad()
def _patch_shape(engine: Engine) -> tuple[int, int]:
    """Channels of the largest network's patches, and the side of their grid."""
    supernet = engine.supernet
    supernet.activate(supernet.space.decisions.largest()[0])
    with torch.random.fork_rng(devices=[]):
        image = torch.zeros((2, *supernet.task.input_shape), device=engine.device)
        _, patches = _with_patches(supernet.network)(image)
    return patches.shape[2], round(patches.shape[1] ** 0.5)
