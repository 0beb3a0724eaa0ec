"""What was asked of a run, as it is typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from nas.data.given import GIVEN
from nas.runs import Manifest, RunConfig
from nas.runs.as_options import asked_again, option_value, word
from nas.runs.config import option_of
from nas.runs.searched import is_given


def command_of(manifest: Manifest) -> str:
    """The command that makes the same run: everything that differs from the defaults, minutes of training as the steps that
    they came to."""
    config = asked_again(manifest)
    given = config.model_dump()
    words = [part for name, value in given.items() for part in option_words(name, value)]
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
    option, typed = option_of(name), option_value(value)
    if typed is True:
        yield option
    elif isinstance(typed, list):
        for one in typed:
            yield f"{option} {shlex.quote(one)}"
    elif typed is not None:
        yield f"{option} {shlex.quote(word(typed))}"
