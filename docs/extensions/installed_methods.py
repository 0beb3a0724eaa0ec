"""The table of methods, written from what is installed when the site is built: summary, paper, tests, studies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from generated import add_page

ROOT = Path(__file__).parents[2]
INTRODUCTION = """# Methods

Every search space, trainer, strategy, predictor and zero-cost proxy that comes with the toolkit, the paper that it is from, and
where the project shows that it is that method. *Tested*: tests hold it to its definition and its published figures.
*Studied*: a [study](../studies.md) besides compares what it finds, or how fast it is. The last column names files under
`tests/` and `experiments/`.
"""


class Method(NamedTuple):
    """One line of the table.

    Attributes:
        room: the folder of its own tests.
        marks: patterns by which tests and studies speak of it, the surest first.
    """

    name: str
    summary: str
    source: str
    room: str
    marks: tuple[str, ...]


def text() -> str:
    """The page."""
    parts = [INTRODUCTION]
    for title, methods in _groups():
        parts.append(f"## {title}\n\n| name | what it does | paper | status | where |\n|---|---|---|---|---|")
        parts[-1] += "".join(f"\n{_line(method)}" for method in methods) + "\n"
    return "\n".join(parts)


def _groups() -> Iterator[tuple[str, Iterable[Method]]]:
    from nas.base.plugins import installed, load
    from nas.searching import open_strategy, strategy_names
    from nas.supernet import open_space, space_names

    spaces = [open_space(name) for name in space_names()]
    yield "Search spaces", [Method(s.name, s.summary, s.source, "search_spaces", (f'"{s.name}"',)) for s in spaces]
    trainers = {name: load("trainers", name, "trainer") for name in installed("trainers")}
    yield "Trainers", _methods(trainers, "training")
    yield "Strategies", _methods({name: open_strategy(name) for name in strategy_names()}, "searching")
    for title, kind, singular in (("Predictors", "predictors", "predictor"), ("Zero-cost proxies", "proxies", "proxy")):
        yield title, _methods({name: load(kind, name, singular) for name in installed(kind)}, "predictors")


def _methods(found: Mapping[str, Any], room: str) -> list[Method]:
    return [
        Method(name, kind.summary, kind.source, room, (rf"\b{kind.__name__}\b", f'"{name}"')) for name, kind in found.items()
    ]


def _line(method: Method) -> str:
    tests = _files("tests", "test_*.py", method)
    studies = _files("experiments", "*.py", method)
    status = "studied" if studies else "tested" if tests else "new"
    places = ", ".join(Path(file).stem for file in (*tests[:2], *studies[:1]))
    cells = (f"`{method.name}`", method.summary, method.source, status, places)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _files(folder: str, pattern: str, method: Method) -> list[str]:
    """The files that speak of a method: those of its own room first, then by how much they do.

    They are found by the first of its marks that any file has.
    """
    for mark in method.marks:
        counts = {name: len(re.findall(mark, content)) for name, content in _contents(folder, pattern).items()}
        found = [name for name, count in counts.items() if count]
        if found:
            return sorted(found, key=lambda name: (f"/{method.room}/" not in name, -counts[name], name))
    return []


@cache
def _contents(folder: str, pattern: str) -> dict[str, str]:
    files = sorted((ROOT / folder).rglob(pattern))
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}


def setup(app: Any) -> dict[str, bool]:
    """Add the page."""
    return add_page(app, "reference/methods.md", text)
