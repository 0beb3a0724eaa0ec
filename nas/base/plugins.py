"""Finding spaces, trainers, strategies, predictors, devices, runtimes and connections through entry points.

The built-in ones are declared in this project's own pyproject.toml exactly as anybody else's package would declare its
own; `nas` never imports the rooms that hold them by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from nas.base.errors import NasError, unknown

KINDS = ("spaces", "trainers", "strategies", "predictors", "proxies", "devices", "runtimes", "connections")


@cache
def installed(kind: str) -> Mapping[str, EntryPoint]:
    """The entry points of one kind by name, in alphabetical order; a name declared twice is an error."""
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=f"nas.{kind}"), key=lambda point: point.name):
        earlier = found.get(point.name)
        if earlier is not None and earlier.value != point.value:
            raise NasError(
                f"two packages declare the {kind} entry point '{point.name}': {earlier.value} and {point.value}; "
                "uninstall one of them"
            )
        found[point.name] = point
    return found


def load(kind: str, name: str, singular: str) -> Any:
    """The object behind an entry point, or an error that lists what is installed."""
    points = installed(kind)
    if name not in points:
        raise unknown(singular, name, points, f"'nas {kind}' lists what is installed.")
    try:
        return points[name].load()
    except (ImportError, AttributeError) as error:
        raise NasError(f"the {singular} '{name}' ({points[name].value}) cannot be imported: {error}") from error
