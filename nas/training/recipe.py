"""The figures of a training run, each with a default from its method's paper and each open to change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nas.base.errors import NasError, unknown


class Recipe(BaseModel):
    """Optimiser, schedule, regularisation.

    The learning rate is given for `reference_batch` images and scaled linearly with the batch in use (Goyal et al. 2017).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    optimiser: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(0.5, gt=0, allow_inf_nan=False)
    reference_batch: int = Field(1024, gt=0)
    batch_size: int = Field(64, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(4e-5, ge=0, allow_inf_nan=False)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: float = Field(0.0, ge=0, lt=1, description="share of the steps in which the rate rises from 0")
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    clip_norm: float | None = Field(None, gt=0, description="largest norm of the whole gradient; null for none")
    norm_affine: bool = Field(True, description="whether scale and shift of batch norms are trained")
    epochs: float = Field(120, gt=0, allow_inf_nan=False, description="length when no budget is given")

    @property
    def peak_rate(self) -> float:
        """The learning rate after scaling to the batch size."""
        return self.learning_rate * self.batch_size / self.reference_batch

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
            return type(self).model_validate({**self.model_dump(), **given})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise NasError(f"training setting '{name}' cannot be {first['input']!r}: {first['msg']}") from error
