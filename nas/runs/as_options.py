"""What was asked of a run, as the options of its command: for whoever wants to ask for it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.runs.config import RunConfig
from nas.runs.manifest import Manifest


def option_value(value: Any) -> Any:
    """A field's value as its option takes it: None, true or false, a number or a text; a list for one that is repeated."""
    if isinstance(value, Mapping):
        return [f"{name}={word(one)}" for name, one in value.items()]
    if isinstance(value, tuple) and all(isinstance(one, str) for one in value):
        return list(value)
    return ",".join(map(word, value)) if isinstance(value, tuple) else value


def word(value: Any) -> str:
    """A single value as it is typed."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def asked_again(manifest: Manifest) -> RunConfig:
    """The configuration of a run, with a budget in minutes as the steps that it came to: as many minutes are another number of
    steps on another machine, or on a busy day."""
    config = manifest.config
    if config.minutes is None or not manifest.trains:
        return config
    return config.model_copy(update={"minutes": None, "steps": manifest.plan["steps"]})
