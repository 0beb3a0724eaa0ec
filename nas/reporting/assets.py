"""The style and the scripts of our pages, as they lie beside this file."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def style() -> str:
    """The one style sheet."""
    return _read("page.css")


@cache
def script(*names: str) -> str:
    """Scripts by name, one after the other."""
    return "\n".join(_read(f"{name}.js") for name in names)


def _read(name: str) -> str:
    return (files(__package__) / "page" / name).read_text(encoding="utf-8")
