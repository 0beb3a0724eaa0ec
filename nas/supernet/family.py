"""Families of spaces, and how a space is found by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from nas.base import plugins
from nas.base.errors import NasError, unknown
from nas.supernet.space import Space


@dataclass(frozen=True)
class Family:
    """Spaces of one kind: what an entry point in `nas.spaces` names.

    Attributes:
        presets: name -> function that makes the space; `mbconv:ofa` asks for preset 'ofa'.
        default: the preset that the bare family name means.
        summary: one line.
    """

    presets: Mapping[str, Callable[[], Space]]
    default: str
    summary: str


def family(name: str) -> Family:
    """An installed family. An entry point may also name a function that returns a single `Space`."""
    found = plugins.load("spaces", name, "space")
    if isinstance(found, Family):
        return found
    if callable(found):
        return Family({"default": found}, "default", (found.__doc__ or "").strip().split("\n")[0])
    raise NasError(f"the entry point of space '{name}' is a {type(found).__name__}; it must be a nas.Family or a function")


def space_names() -> list[str]:
    """Every installed space as 'family:preset', the default of each family first."""
    names = []
    for name in plugins.installed("spaces"):
        found = family(name)
        ordered = sorted(found.presets, key=lambda preset: (preset != found.default, preset))
        names += [f"{name}:{preset}" for preset in ordered]
    return names


@cache
def open_space(name: str) -> Space:
    """The space called 'family' or 'family:preset'. Raises NasError that lists what is installed."""
    family_name, _, preset = name.partition(":")
    found = family(family_name)
    preset = preset or found.default
    if preset not in found.presets:
        raise unknown(f"preset of space '{family_name}'", preset, found.presets)
    return found.presets[preset]()
