"""The files of a comparison: finished searches, line by line, so that what is done is never done again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.base.json_text import parsed
from nas.base.lines import append_lines, read_lines
from nas.searching.benchmarks import Searched


class SearchesFile:
    """Finished searches of one strategy on one benchmark, by their seed.

    The first line holds the settings, each further one a search. A line that a kill left unfinished is dropped.

    Args:
        path: of the file; made with the first search.
        settings: that must be the same for searches to be comparable.

    Raises:
        NasError: the file holds searches with other settings, or is damaged.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path, self._settings = path, dict(settings)
        self.found: dict[int, Searched] = {}
        lines = read_lines(path, "the comparison")
        if not lines:
            return
        try:
            kept, *searches = [parsed(line) for line in lines]
            self.found = {one["seed"]: _read(one) for one in searches}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NasError(f"{path} is damaged: {error}; remove it, and its searches are done again") from error
        if kept != self._settings:
            raise NasError(
                f"{path} holds searches with other settings ({_difference(kept, self._settings)}); name another folder with "
                "--out"
            )

    def add(self, searched: Searched) -> None:
        """Append one search. Raises NasError when it cannot be written."""
        lines = [] if self.path.exists() and self.path.stat().st_size else [self._settings]
        lines.append({**vars(searched), "improvements": [list(pair) for pair in searched.improvements]})
        append_lines(self.path, map(json.dumps, lines))
        self.found[searched.seed] = searched


def file_name(benchmark: str, label: str) -> str:
    """A name for the searches of one strategy on one benchmark."""
    return re.sub(r"[^A-Za-z0-9.=_-]+", "-", f"{benchmark}--{label}") + ".jsonl"


def _read(one: Mapping[str, Any]) -> Searched:
    improvements = tuple((int(count), float(gain)) for count, gain in one["improvements"])
    return Searched(int(one["seed"]), improvements, int(one["evaluations"]), float(one["seconds"]))


def _difference(kept: Any, given: Mapping[str, Any]) -> str:
    """The first setting that is another one."""
    if not isinstance(kept, dict):
        return "no settings at all"
    name = next(name for name in [*given, *kept] if kept.get(name) != given.get(name))
    return f"{name} {kept.get(name)!r}, not {given.get(name)!r}"
