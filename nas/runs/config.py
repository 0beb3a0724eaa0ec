"""Everything that can be asked of a run, checked before anything is done."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from nas.base.errors import NasError, unknown
from nas.data import Reading

OPTIONS = {
    "targets": "target",
    "objectives": "objective",
    "filters": "filter",
    "label_columns": "label-column",
    "strategy_options": "strategy-set",
    "settings": "set",
}
"""Fields whose option has another name; one that holds several values is repeated."""


def option_of(field: str) -> str:
    """A field as it is typed."""
    return f"--{OPTIONS.get(field, field).replace('_', '-')}"


def illegal(error: ValidationError) -> NasError:
    """The first value that cannot be taken, by its option, and why not."""
    first = error.errors()[0]
    option = f"option {option_of(str(first['loc'][0]))} cannot be {first['input']!r}: " if first["loc"] else ""
    return NasError(f"{option}{first['msg']}")


class RunConfig(BaseModel):
    """What was asked. `None` means: decide by the trainer's defaults, the data or the device table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: str = "mbconv"
    data: str = "digits"
    path_column: str | None = None
    label_columns: tuple[str, ...] = ()
    task: Literal["classification", "multi-label", "regression"] | None = None
    class_weights: Literal["none", "balanced"] = "none"
    targets: tuple[str, ...] = ()
    trainer: str = "uniform"
    objectives: tuple[str, ...] = ()
    reward: str | None = None
    filters: tuple[str, ...] = ()
    warm_start: str | None = None
    proxy_images: int = Field(64, ge=2)
    strategy: str | None = None
    strategy_options: dict[str, str | float | int | bool | None] = {}
    steps: int | None = Field(None, gt=0)
    epochs: float | None = Field(None, gt=0, allow_inf_nan=False)
    minutes: float | None = Field(None, gt=0, allow_inf_nan=False)
    evaluations: int = Field(150, gt=0)
    validation_images: int = Field(2000, gt=0)
    calibration_images: int = Field(256, gt=0)
    seed: int = Field(0, ge=0, lt=2**63)
    resolution: int | None = Field(None, ge=8, le=1024)
    deploy_resolution: int | None = Field(None, ge=8, le=4096)
    allow_estimates: bool = False
    supernet: str | None = None
    evaluate: str | None = None
    executor: str | None = None
    workers: int | None = Field(None, gt=0)
    storage: str | None = None
    time_limit: float | None = Field(None, gt=0, allow_inf_nan=False)
    compute: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    cutout: int = Field(0, ge=0)
    mixup: float = Field(0.0, ge=0, allow_inf_nan=False)
    cutmix: float = Field(0.0, ge=0, allow_inf_nan=False)
    randaugment: tuple[int, float] | None = None
    log: Literal["none", "tensorboard"] = "none"
    settings: dict[str, str | float | int | bool | None] = {}

    @field_validator("randaugment", mode="before")
    @classmethod
    def _two_numbers(cls, given: Any) -> Any:
        """'2,9' as operators and magnitude."""
        if not isinstance(given, str):
            return given
        numbers = given.split(",")
        if len(numbers) != 2:
            raise ValueError("give the number of operators and their magnitude, such as 2,9")
        return tuple(number.strip() for number in numbers)

    @property
    def reading(self) -> Reading:
        """How the data are to be read."""
        return Reading(self.path_column, self.label_columns, self.task)

    @staticmethod
    def checked(**given: Any) -> RunConfig:
        """A configuration, or an error that names the option, what was given and what is legal."""
        for name in given:
            if name not in RunConfig.model_fields:
                raise unknown("option", name, RunConfig.model_fields)
        budgets = [name for name in ("steps", "epochs", "minutes") if given.get(name) is not None]
        if len(budgets) > 1:
            raise NasError(f"a training budget is given once; choose one of --{' and --'.join(budgets)}")
        if given.get("supernet") is not None and budgets:
            raise NasError(f"--supernet is trained already; leave out --{budgets[0]}, or train anew without --supernet")
        try:
            return RunConfig.model_validate(given)
        except ValidationError as error:
            raise illegal(error) from error
