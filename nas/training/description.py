"""What a trainer does and with which figures, for whoever chooses one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from nas.training.recipe import Recipe
from nas.training.trainer import Trainer

PAPER, OURS = "paper", "ours"
"""Where a default is from: the trainer's `source`, or this project's common recipe because the trainer does not set it."""


def describe_trainer(name: str, trainer: Trainer) -> dict[str, Any]:
    """Summary, source and every figure of a trainer's recipe, as JSON.

    Returns:
        `figures` lists for each one name, default, legal values (where they are words), meaning, and origin: 'paper', 'ours',
        or what the trainer's `origins` say.
    """
    return {"name": name, "summary": trainer.summary, "source": trainer.source, "figures": list(_figures(trainer))}


def _figures(trainer: Trainer) -> Iterator[dict[str, Any]]:
    recipe = trainer.defaults
    values = recipe.model_dump(mode="json")
    own = _declared_by_trainer(type(recipe))
    for name, field in type(recipe).model_fields.items():
        set_by_trainer = name in recipe.model_fields_set or name in own
        yield {
            "name": name,
            "default": values[name],
            "legal": list(get_args(field.annotation)) if get_origin(field.annotation) is Literal else None,
            "meaning": field.description or "",
            "origin": trainer.origins.get(name) or (PAPER if trainer.source and set_by_trainer else OURS),
        }


def _declared_by_trainer(recipe: type[Recipe]) -> set[str]:
    """Figures that a recipe adds to the common ones, or declares anew."""
    classes = recipe.__mro__[: recipe.__mro__.index(Recipe)]
    return {name for kind in classes for name in getattr(kind, "__annotations__", {})}
