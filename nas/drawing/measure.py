"""Widths of texts, so that boxes fit them; and whether there is matplotlib at all."""

from __future__ import annotations

from functools import cache

from nas.base.errors import NasError

FONT = "DejaVu Sans"
"""Comes with matplotlib, so that widths are the same everywhere."""


def require_matplotlib() -> None:
    """Raises NasError where matplotlib is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise NasError(
            "drawing needs matplotlib, which is not installed here; install it with: pip install 'nas-toolkit[draw]'"
        ) from error


@cache
def text_width(text: str, size: float, bold: bool) -> float:
    """Width of a text in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    font = FontProperties(family=FONT, weight="bold" if bold else "normal")
    literal = text.replace("$", r"\$")  # two dollars would begin and end a formula
    return float(TextPath((0, 0), literal, size=size, prop=font, usetex=False).get_extents().x1)
