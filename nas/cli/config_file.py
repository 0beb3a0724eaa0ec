"""A TOML file of options: which of its keys are for a command, and what they say.

A key is an option as it is typed, without the dashes (`target`, `strategy-set`), or an argument (`run`). Keys above the tables
hold for the command that is run. A table that is named after a command holds for that command alone; that of `nas predictor
fit` is `[predictor.fit]`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.base.errors import NasError, unknown

NEVER = frozenset({"help", "json", "config"})
"""Options that stand in no file: they say how to answer, not what to do."""

PATHS = frozenset({"data", "supernet", "evaluate", "table", "join", "out", "bundle", "measured", "file", "plot", "runs"})
"""Options that take a file or a folder. In a file of options it is looked for beside that file."""

NAMES_OR_PATHS = frozenset({"space", "run", "target", "architecture", "arch"})
"""Options that may take a name instead: a path only where such a file or folder is there, or where it ends in '.py:NAME'."""


def read(path: Path) -> dict[str, Any]:
    """The file. Raises NasError when it cannot be read; where it is no TOML, the error names line and column."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise NasError(f"cannot read the configuration {path}: {error.strerror}; give the path of a TOML file") from error
    except UnicodeDecodeError as error:
        raise NasError(f"{path} is no TOML file: it is not text in UTF-8") from error
    except RecursionError as error:
        raise NasError(f"{path} is no TOML file of options: its values are nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        raise NasError(f"{path} is no TOML file: {error}") from error


def parameters_of(command: Any) -> dict[str, Any]:
    """The options and arguments of a command by their keys in a file."""
    return {key: option for option in command.params for key in _keys(option) if key not in NEVER}


def asked(path: Path, content: Mapping[str, Any], words: Sequence[str], group: Any) -> dict[str, Any]:
    """What a file says for one command, by key.

    Args:
        words: the names of the command below `group`: ('predictor', 'fit').
        group: the group of all commands.

    Raises:
        NasError: a key or a table that means nothing, in whatever part of the file, or a key that is given twice.
    """
    command = group
    for word in words:
        command = command.commands[word]
    return _asked(path, content, words, group, parameters_of(command), " ".join(words))


def value_of(path: Path, key: str, option: Any, given: Any) -> str | bool | list[str]:
    """A value as it would be typed; that of an option without a value as true or false.

    Raises:
        NasError: the option takes nothing of the kind.
    """
    if getattr(option, "is_flag", False):
        if not isinstance(given, bool):
            raise NasError(f"{path}: {key} is true or false; given: {given!r}")
        return given
    if not (option.multiple or option.nargs == -1):
        if isinstance(given, list):
            raise NasError(f"{path}: {key} is one value, not a list; given: {given!r}")
        return _text(path, key, given)
    if isinstance(given, dict):
        return [f"{name}={_text(path, key, one)}" for name, one in given.items()]
    return [_text(path, key, one) for one in (given if isinstance(given, list) else [given])]


def _asked(
    path: Path, content: Mapping[str, Any], words: Sequence[str], group: Any, known: Mapping[str, Any], name: str
) -> dict[str, Any]:
    """The same from one table down."""
    tables: Mapping[str, Any] = getattr(group, "commands", {})
    found: dict[str, Any] = {}
    inner: Mapping[str, Any] = {}
    for written, value in content.items():
        key = _key(written)
        if isinstance(value, dict) and key in tables:
            if [key] == list(words[:1]):
                inner = value
            else:
                _check(path, value, key, tables[key])
        elif key not in known:
            raise _misplaced(path, written, value, known, tables, name)
        elif key in found:
            raise NasError(f"{path} gives {key} twice, once as '{written}'; give it once")
        else:
            found[key] = value
    return found | (_asked(path, inner, words[1:], tables[words[0]], known, name) if words else {})


def _check(path: Path, content: Mapping[str, Any], place: str, group: Any) -> None:
    """Refuse what means nothing in the table of a command that is not run now."""
    tables: Mapping[str, Any] = getattr(group, "commands", {})
    legal = set(parameters_of(group)).union(*(parameters_of(command) for command in tables.values()))
    for written, value in content.items():
        if isinstance(value, dict) and _key(written) in tables:
            _check(path, value, f"{place}.{written}", tables[_key(written)])
        elif _key(written) not in legal:
            raise unknown(f"key of [{place}] of {path}", written, sorted(legal))


def _misplaced(
    path: Path, written: str, value: Any, known: Mapping[str, Any], tables: Mapping[str, Any], name: str
) -> NasError:
    """The error for a key that the command does not take."""
    others = [other for other, command in tables.items() if _key(written) in parameters_of(command)]
    if others:
        return NasError(
            f"{path}: '{written}' is no option of 'nas {name}', but of {', '.join(others)}; write it below [{others[0]}]"
        )
    if isinstance(value, dict) and tables:
        return unknown(f"table of {path}", written, tables)
    return unknown(f"key of {path}", written, known, f"'nas config show {name}' prints them all.")


def _keys(option: Any) -> Iterator[str]:
    if option.param_type_name == "argument":
        yield _key(option.name.strip("_"))
    for name in option.opts:
        if name.startswith("--"):
            yield name[2:]


def _key(written: str) -> str:
    return written.replace("_", "-")


def _text(path: Path, key: str, given: Any) -> str:
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, int | float):
        return repr(given)
    if isinstance(given, str):
        return _beside(path.parent, key, given)
    raise NasError(f"{path}: {key} is a text or a number; given: {given!r}")


def _beside(folder: Path, key: str, text: str) -> str:
    """A path that begins at the file's folder; what is no path as it is."""
    if not text or folder == Path() or text.startswith("~") or (key, text) == ("data", "digits"):
        return text
    if key in PATHS:
        return str(folder / text)
    if key in NAMES_OR_PATHS and (".py:" in text or (folder / re.sub(r":top\d+$", "", text)).exists()):
        return str(folder / text)
    return text
