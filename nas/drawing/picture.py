"""Figures of matplotlib, which is imported only when something is drawn, as files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nas.base.errors import NasError
from nas.base.files import replacing
from nas.drawing.measure import FONT, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png", ".pdf")

DOTS = 144
"""Dots per inch of a PNG."""

SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "nas",
    "svg.fonttype": "path",
    "font.family": FONT,
    "pdf.fonttype": 42,
}
"""The same content gives the same file, and letters are outlines, so that it looks the same wherever it is shown."""

METADATA: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None, "Creator": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}

CHART: Mapping[Any, Any] = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
"""Further settings of pictures with axes."""


def check_suffix(path: Path) -> str:
    """The kind of file that a name asks for. Raises NasError for one that cannot be written."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        given = f"'{path.suffix}'" if path.suffix else "no suffix"
        raise NasError(f"a picture is written as {', '.join(SUFFIXES)}; {path} has {given}")
    return suffix


@contextlib.contextmanager
def picture(
    path: Path, title: str, size: tuple[float, float], settings: Mapping[Any, Any] = MappingProxyType({}), **options: Any
) -> Iterator[Figure]:
    """A figure to draw on, which is then written as SVG, PNG or PDF by the file's suffix, whole or not at all.

    Args:
        title: kept in the file.
        size: width and height in inches.
        settings: of matplotlib, besides `SETTINGS`.
        options: of the figure.

    Raises:
        NasError: another suffix, no matplotlib, or a file that cannot be written.
    """
    suffix = check_suffix(path)
    require_matplotlib()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**SETTINGS, **settings})
        figure = Figure(figsize=size, facecolor="white", **options)
        yield figure
        metadata = {**METADATA[suffix], **({"Title": title} if suffix != ".pdf" else {})}
        with replacing(path) as beside:
            figure.savefig(beside, format=suffix[1:], dpi=DOTS if suffix == ".png" else 72, metadata=metadata)


@contextlib.contextmanager
def chart(path: Path, title: str, size: tuple[float, float]) -> Iterator[Figure]:
    """The same for a picture with axes, under its title."""
    with picture(path, title, size, CHART, layout="constrained") as figure:
        figure.suptitle(title, fontsize=11, x=0.01, ha="left")
        yield figure
