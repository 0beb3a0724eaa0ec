"""Spaces from Python files: `path/to/file.py:Name`."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from nas.base.errors import NasError, unknown
from nas.base.origins import origin
from nas.supernet.space import Space
from nas.supernet.task import Task

LEGAL = "a nas.Space, a function that returns one, a nas.Family, or an nn.Module class that takes a nas.Task"


def split(target: str) -> tuple[Path, str, str] | None:
    """File, name in it, and preset where the name is a family's; None for a text that names no Python file."""
    path, separator, rest = target.partition(".py:")
    if not separator and not target.endswith(".py"):
        return None
    name, _, preset = rest.partition(":")
    return Path(path if target.endswith(".py") else f"{path}.py").expanduser().resolve(), name, preset


def find(path: Path, name: str) -> Any:
    """The object of this name in a file, which is run once unless it changes.

    Raises:
        NasError: no such file, no such name (lists what could be meant), or the file fails (names its line).
    """
    if not path.is_file():
        raise NasError(f"space file not found: {path} does not exist; give path/to/file.py:Name")
    module = _run(path, path.stat().st_mtime_ns)
    legal = [other for other, value in vars(module).items() if _candidate(value, module)]
    if not name:
        hint = f": {path.name}:{legal[0]}" if legal else f", which is {LEGAL}"
        raise NasError(f"say which space of {path.name} is meant, after a colon{hint}")
    if not hasattr(module, name):
        raise unknown(f"space in {path}", name, legal, f"It must be {LEGAL}.")
    return getattr(module, name)


def maker(found: Any, label: str) -> Callable[[], Space]:
    """What makes the space out of a Space, a function, or a network's class.

    A class may say as attributes what `nas.Space` takes besides: `task` and `known`.

    Args:
        label: the name of a space that is made from a class, and what messages call the object.

    Raises:
        NasError: it is something else.
    """
    if isinstance(found, Space):
        return lambda: found
    if isinstance(found, type) and issubclass(found, nn.Module):
        return partial(_from_class, found, label)
    if inspect.isroutine(found):
        return partial(_from_function, found, label)
    raise NasError(f"{label} is of type {type(found).__name__}; it must be {LEGAL}")


def told(make: Callable[[], Space], label: str) -> Space:
    """The space, or an error with the line of the file that caused it."""
    try:
        return make()
    except Exception as error:
        place = origin(error)
        kind = "" if isinstance(error, NasError) else f"{type(error).__name__}: "
        where = f" ({place})" if place else ""
        raise NasError(f"{label} makes no space: {kind}{error}{where}") from error


def _from_class(network: type[nn.Module], label: str) -> Space:
    task, known = getattr(network, "task", None), getattr(network, "known", None)
    return Space(
        label,
        network,
        known=known if isinstance(known, Mapping) else None,
        task=task if isinstance(task, Task) else None,
        summary=(network.__doc__ or "").strip().split("\n")[0],
    )


def _from_function(function: Callable[[], Any], label: str) -> Space:
    made = function()
    if not isinstance(made, Space):
        raise NasError(f"{label}() returns an object of type {type(made).__name__}; it must return a nas.Space")
    return made


def _candidate(value: Any, module: ModuleType) -> bool:
    if isinstance(value, Space):
        return True
    own = getattr(value, "__module__", None) == module.__name__
    if isinstance(value, type):
        return own and issubclass(value, nn.Module) and "task" in inspect.signature(value).parameters
    return own and inspect.isfunction(value) and "Space" in str(inspect.signature(value).return_annotation)


@cache
def _run(path: Path, changed: int) -> ModuleType:
    """The file as a module; `changed` tells one version of it from the next."""
    name = f"nas_space_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # As for a script: what lies beside the file can be imported by it.
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise NasError(f"{path} fails at {origin(error)}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent))
    return module
