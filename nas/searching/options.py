"""The options of strategies: read from their signatures, checked, and described."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from nas.architectures import Restricted
from nas.base.errors import NasError, unknown
from nas.searching.problem import Problem
from nas.searching.strategy import Strategy
from nas.searching.units import ByUnits

PAPER = "paper"
"""Where a default is from unless the strategy's `origins` say otherwise: its `source`."""

NOTHING = ("none", "null")
"""How 'no value' is written."""


def options_of(kind: type[Strategy]) -> dict[str, FieldInfo]:
    """The options of a strategy by name, with their defaults, limits and meanings."""
    return dict(_model(kind).model_fields)


def checked_options(name: str, kind: type[Strategy], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, as numbers where numbers belong.

    Args:
        name: of the strategy, for messages.
        given: option -> value, or text as on the command line; 'none' for no value.

    Raises:
        NasError: an unknown option, or a value that is not legal; says what is.
    """
    model = _model(kind)
    for option in given:
        if option not in model.model_fields:
            if not model.model_fields:
                raise NasError(f"strategy '{name}' has no options; leave out --strategy-set {option}")
            raise unknown(f"option of strategy '{name}'", option, model.model_fields)
    values = {option: None if value in NOTHING else value for option, value in given.items()}
    try:
        read = model.model_validate(values).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        option = ".".join(map(str, first["loc"]))
        raise NasError(f"option '{option}' of strategy '{name}' cannot be {first['input']!r}: {first['msg']}") from error
    return {option: read[option] for option in given}


def make_strategy(
    name: str, kind: type[Strategy], problem: Problem, seed: int, given: Mapping[str, Any] | None = None
) -> Strategy:
    """A strategy with the options that were given; by groups of decisions where the problem's decisions are restricted to some.

    Raises NasError as `checked_options` does.
    """
    options = checked_options(name, kind, given or {})
    if isinstance(problem.decisions, Restricted):
        return ByUnits(problem, seed, lambda units: kind(units, seed, **options))
    return kind(problem, seed, **options)


def describe_strategy(name: str, kind: type[Strategy]) -> dict[str, Any]:
    """Summary, source and every option of a strategy, as JSON.

    Returns:
        {"name", "summary", "source", "figures": [{"name", "default", "legal", "meaning", "origin"}]}.
    """
    figures = [
        {
            "name": option,
            "default": field.default,
            "legal": _words(field.annotation),
            "meaning": field.description or "",
            "origin": kind.origins.get(option, PAPER),
        }
        for option, field in options_of(kind).items()
    ]
    return {"name": name, "summary": kind.summary, "source": kind.source, "figures": figures}


def _model(kind: type[Strategy]) -> type[BaseModel]:
    hints = get_type_hints(kind.__init__, include_extras=True)
    parameters = list(inspect.signature(kind.__init__).parameters.values())[3:]
    fields: dict[str, Any] = {parameter.name: (hints[parameter.name], parameter.default) for parameter in parameters}
    return create_model("Options", __config__=ConfigDict(extra="forbid"), **fields)


def _words(annotation: Any) -> list[str] | None:
    """The legal words of an option that takes one of a few."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next((words for words in map(_words, get_args(annotation)) if words), None)
    return list(get_args(annotation)) if get_origin(annotation) is Literal else None
