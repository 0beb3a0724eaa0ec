"""Parts that pages are put together from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nas.reporting.html import Markup, tag


def section(name: str, title: str, *children: Any) -> Markup:
    """A part of the page with its heading."""
    return tag("section", tag("h2", title, id=f"{name}-title"), *children, id=name, aria_labelledby=f"{name}-title")


def pairs(entries: Sequence[tuple[str, str]]) -> Markup:
    """Names and what they stand for."""
    return tag("dl", [[tag("dt", name), tag("dd", value)] for name, value in entries], class_="pairs")


def tiles(entries: Sequence[tuple[str, str]]) -> Markup:
    """Large figures."""
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in entries], class_="tiles")


def table(titles: Sequence[str], rows: Sequence[Sequence[Any]], label: str, numbers: int, tall: bool = False) -> Markup:
    """A table that scrolls by itself where it is too wide.

    Args:
        numbers: the columns from here on are figures, which stand on the right.
    """
    heads = [tag("th", title, scope="col", class_="number" if place >= numbers else None) for place, title in enumerate(titles)]
    body = [
        tag("tr", [tag("td", cell, class_="number" if place >= numbers else None) for place, cell in enumerate(row)])
        for row in rows
    ]
    made = tag("table", tag("thead", tag("tr", heads)), tag("tbody", body))
    return tag("div", made, class_="tall scroll" if tall else "scroll", tabindex="0", role="region", aria_label=label)


def plot(name: str, legend: bool = True) -> list[Markup]:
    """An empty place that a script draws into."""
    place = tag("div", id=name, class_="plot needs-script")
    return [tag("ul", id=f"{name}-legend", class_="legend needs-script"), place] if legend else [place]
