"""Families of spaces, and how a space is found by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from weakref import WeakKeyDictionary

from nas.base import plugins
from nas.base.errors import NasError, unknown
from nas.supernet import files
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


def find_space(name: str) -> Callable[[], Space]:
    """What makes the space of this name: 'family', 'family:preset' or 'path/to/file.py:Name'. Nothing is built yet.

    Raises:
        NasError: there is none; lists what is installed, or what the file holds.
    """
    from_file = files.split(name)
    if from_file is None:
        family_name, _, preset = name.partition(":")
        return _preset(family(family_name), family_name, preset)
    path, object_name, preset = from_file
    found = files.find(path, object_name)
    label = f"{path.stem}:{object_name}"
    return _preset(found, label, preset) if isinstance(found, Family) else files.maker(found, label)


def open_space(name: str) -> Space:
    """The space called 'family' or 'family:preset', or the one in a file of one's own, 'path/to/file.py:Name'.

    A file may hold it as a `Space`, as a function that returns one, as a `Family`, or as an nn.Module class that takes a
    `Task`.

    Raises:
        NasError: there is none, which lists what is installed or what the file holds; or it cannot be made, which names
            the line of the file.
    """
    from_file = files.split(name)
    if from_file is None:
        return _opened(name, 0)
    path = from_file[0]
    return _opened(full_name(name), path.stat().st_mtime_ns if path.is_file() else 0)


def full_name(name: str) -> str:
    """The name under which a space is found from any folder: that of a file is made absolute."""
    from_file = files.split(name)
    return name if from_file is None else ":".join(filter(None, map(str, from_file)))


def origin_of(space: Space) -> str | None:
    """The name under which `open_space` finds this space again; None for one that was made otherwise."""
    return _origins.get(space)


_origins: WeakKeyDictionary[Space, str] = WeakKeyDictionary()


@cache
def _opened(name: str, changed: int) -> Space:
    """The space, made once; `changed` tells one version of its file from the next."""
    make = find_space(name)
    space = make() if files.split(name) is None else files.told(make, name)
    _origins[space] = name
    return space


def _preset(found: Family, name: str, preset: str) -> Callable[[], Space]:
    preset = preset or found.default
    if preset not in found.presets:
        raise unknown(f"preset of space '{name}'", preset, found.presets)
    return found.presets[preset]
