"""The figures of a training run, each with a default from its method's paper and each open to change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nas.base.errors import NasError, unknown


class Recipe(BaseModel):
    """Optimiser, schedule, regularisation. A trainer with figures of its own adds them in a subclass.

    The learning rate is given for `reference_batch` images and scaled linearly with the batch in use (Goyal et al. 2017).
    Lengths in epochs are those of a training of `epochs`; where a budget makes it shorter or longer, they keep their share.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    optimiser: Literal["sgd", "rmsprop", "adamw", "lars"] = Field("sgd", description="of the weights")
    learning_rate: float = Field(0.5, gt=0, allow_inf_nan=False, description="peak rate for `reference_batch` images")
    reference_batch: int = Field(1024, gt=0, description="batch size that the rate is given for")
    batch_size: int = Field(64, gt=0, description="images a step, over all processes")
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD, RMSProp and LARS; the first beta of AdamW")
    nesterov: bool = Field(False, description="Nesterov's momentum, for SGD")
    squares_decay: float = Field(0.9, ge=0, lt=1, description="of RMSProp's mean of squared gradients")
    epsilon: float = Field(1e-8, gt=0, allow_inf_nan=False, description="added to the denominators of RMSProp and AdamW")
    trust: float = Field(1e-3, gt=0, allow_inf_nan=False, description="trust coefficient of LARS")
    weight_decay: float = Field(
        4e-5, ge=0, allow_inf_nan=False, description="added to the gradient as a share of the weight; AdamW's is decoupled"
    )
    decay_of: Literal["matrices", "not-norms", "all"] = Field(
        "matrices", description="whether biases decay too, but norms do not; or all"
    )
    decay_on: Literal["all", "largest"] = Field("all", description="whether weights outside the largest network decay too")
    schedule: Literal["linear", "cosine", "exponential", "constant"] = Field(
        "linear", description="how the learning rate goes on after the warm-up"
    )
    last_rate: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="rate at which linear and cosine end, scaled like the peak"
    )
    rate_decay: float = Field(0.97, gt=0, le=1, description="factor of the exponential schedule")
    rate_decay_epochs: float = Field(2.4, gt=0, description="epochs after which the exponential schedule multiplies by it")
    rate_floor: float = Field(
        0.0, ge=0, le=1, description="share of the peak below which the exponential schedule stays constant"
    )
    warmup: float = Field(0.0, ge=0, lt=1, description="share of the steps in which the rate rises from 0")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of every target spread over all classes")
    dropout: float | None = Field(None, ge=0, lt=1, description="of the network's dropout layers; null for the space's own")
    drop_path: float | None = Field(None, ge=0, lt=1, description="of residual branches at the end; null for the space's own")
    clip_norm: float | None = Field(None, gt=0, description="largest norm of the whole gradient; null for none")
    clip_value: float | None = Field(None, gt=0, description="largest absolute value in a gradient; null for none")
    norm_affine: bool = Field(True, description="whether scale and shift of batch norms are trained")
    sync_norms: bool = Field(
        False, description="whether batch norms in training use the images of all processes; papers let each use its own"
    )
    average: float | None = Field(None, gt=0, lt=1, description="decay of the moving average of the weights; null for none")
    architecture_share: float = Field(
        0.0, ge=0, lt=1, description="share of the training images kept for architecture parameters"
    )
    epochs: float = Field(120, gt=0, allow_inf_nan=False, description="length when no budget is given")

    def scaled(self, rate: float) -> float:
        """A rate given for `reference_batch` images, for the batch size in use."""
        return rate * self.batch_size / self.reference_batch

    @property
    def peak_rate(self) -> float:
        """The learning rate after scaling to the batch size."""
        return self.scaled(self.learning_rate)

    def step_of(self, epochs: float, steps: int) -> int:
        """The first step of a training of so many steps at which so many of the recipe's `epochs` are done."""
        return min(steps, round(steps * epochs / self.epochs))

    def changed(self, overrides: Mapping[str, Any]) -> Recipe:
        """A copy with some figures changed; texts are read as numbers where a number belongs.

        Raises:
            NasError: unknown name or illegal value; lists what is legal.
        """
        for name in overrides:
            if name not in type(self).model_fields:
                raise unknown("training setting", name, type(self).model_fields)
        given = {name: None if value in ("none", "null") else value for name, value in overrides.items()}
        try:
            return type(self).model_validate({**self.model_dump(exclude_unset=True), **given})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise NasError(f"training setting '{name}' cannot be {first['input']!r}: {first['msg']}") from error


Own = TypeVar("Own", bound=Recipe)


def own(recipe: Recipe, kind: type[Own]) -> Own:
    """A recipe as the one with a trainer's own figures, which whoever runs the trainer has given it."""
    assert isinstance(recipe, kind)
    return recipe
