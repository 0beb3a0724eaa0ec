"""What was asked of a run, as it is typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from nas.data.given import GIVEN
from nas.runs import Manifest, RunConfig
from nas.runs.config import option_of
from nas.runs.searched import is_given


def command_of(manifest: Manifest) -> str:
    """The command that makes the same run: everything that differs from the defaults, minutes of training as the steps that
    they came to."""
    config = manifest.config
    given = config.model_dump()
    if manifest.trains and config.minutes is not None:
        given |= {"minutes": None, "steps": manifest.plan["steps"]}
    words = [word for name, value in given.items() for word in option_words(name, value)]
    objects = {name: getattr(config, name) for name in ("space", "data") if is_given(getattr(config, name))}
    if not objects:
        return f"nas {manifest.kind} {' '.join(words)}"
    defaults = RunConfig().model_dump()
    changed = {name: value for name, value in given.items() if value != defaults[name] or name == "space"}
    rest = ", ".join(f"{name}={name.upper() if name in objects else repr(value)}" for name, value in changed.items())
    being = " and ".join(f"{name.upper()} being {said.removeprefix(GIVEN)}" for name, said in objects.items())
    return f"nas.{manifest.kind}({rest})  # in Python, {being}"


def option_words(name: str, value: Any) -> Iterator[str]:
    """The words of one field, none where it is at its default."""
    if value == RunConfig.model_fields[name].default and name not in ("space", "seed"):
        return
    option = option_of(name)
    if value is True:
        yield option
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield f"{option} {shlex.quote(f'{key}={as_typed(one)}')}"
    elif isinstance(value, tuple) and all(isinstance(one, str) for one in value):
        for one in value:
            yield f"{option} {shlex.quote(one)}"
    elif isinstance(value, tuple):
        yield f"{option} {','.join(map(as_typed, value))}"
    elif value is not None:
        yield f"{option} {shlex.quote(as_typed(value))}"


def as_typed(value: Any) -> str:
    """A value as the command line takes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
