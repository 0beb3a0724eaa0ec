"""The rooms and which way the arrows go, read from the import statements."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ORDER = (
    "base",
    "choices",
    "architectures",
    "elastic",
    "costs",
    "supernet",
    "data",
    "training",
    "predicting",
    "searching",
    "runs",
    "exporting",
    "measuring",
    "checking",
    "drawing",
    "reporting",
    "jobs",
    "watching",
    "cli",
)
"""A room imports itself and earlier rooms."""

ONLY = {"data": {"base"}}
"""Rooms that may import less than everything before them."""

FOREIGN = {"search_spaces", "predictors", "hardware", "experiments", "tests"}
"""What `nas` finds through entry points and never by name."""

WITHOUT_TORCH = ("base", "choices", "architectures")


def imported(source: str, package: str) -> Iterator[str]:
    """Full names of the modules that a file imports, at any depth; `package` resolves relative imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def files(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py"))


def imports_of(path: Path) -> set[str]:
    package = ".".join(path.relative_to(ROOT).parent.parts)
    return set(imported(path.read_text(encoding="utf-8"), package))


def nas_files() -> list[Path]:
    return [path for path in files("nas") if path.parent != ROOT / "nas"]


def test_there_is_something_to_check() -> None:
    assert len(nas_files()) > 30
    assert list(imported("if True:\n    from . import b\n    import c.d", "nas.a")) == ["nas.a", "nas.a.b", "c.d"]
    assert list(imported("from ..x import y", "nas.a")) == ["nas.x", "nas.x.y"]


def test_every_room_has_its_place() -> None:
    assert {path.relative_to(ROOT / "nas").parts[0] for path in nas_files()} <= set(ORDER)


@pytest.mark.parametrize("path", nas_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_run_one_way(path: Path) -> None:
    room = path.relative_to(ROOT / "nas").parts[0]
    allowed = {room, *ONLY.get(room, set(ORDER[: ORDER.index(room)]))}
    rooms = {name.split(".")[1] for name in imports_of(path) if name.startswith("nas.")}
    assert rooms & set(ORDER) <= allowed
    assert room == "cli" or "nas" not in imports_of(path), "a room imports from rooms, not from the package that gathers them"


@pytest.mark.parametrize("path", files("nas"), ids=lambda path: str(path.relative_to(ROOT)))
def test_nas_names_no_package_that_stands_on_it(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports_of(path)} & FOREIGN


@pytest.mark.parametrize("path", [path for room in WITHOUT_TORCH for path in files(f"nas/{room}")], ids=str)
def test_the_first_rooms_are_free_of_torch(path: Path) -> None:
    assert not {name for name in imports_of(path) if name.split(".")[0] == "torch"}


@pytest.mark.parametrize("folder", ["search_spaces", "hardware", "predictors"])
def test_rooms_outside_stand_on_nas_alone(folder: str) -> None:
    for path in files(folder):
        assert not {name.split(".")[0] for name in imports_of(path)} & (FOREIGN - {folder}), path
