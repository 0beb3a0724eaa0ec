"""Curves of several strategies over their evaluations, one panel for each table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nas.drawing.paint import COLOURS
from nas.drawing.picture import chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT, LEGEND = 5.2, 4.4, 2.2
"""Of a panel, and of the legend beside the last one, in inches."""

FLAT = 1e-3
"""Below this share of the largest regret the axis is linear, so that a regret of nothing has a place."""

STYLES = ("-", "--", ":")
"""Of the first curves, of those after them, which have the same colours again, and so on."""


@dataclass(frozen=True)
class Panel:
    """One table.

    Attributes:
        axis: what the curves are.
        lines: label -> (length,) figures after 1, 2, ... evaluations; not a number where there is none.
        regret: whether the curves fall towards nothing, which is drawn on a logarithmic axis.
    """

    title: str
    axis: str
    lines: Mapping[str, npt.NDArray[np.float64]]
    regret: bool


def draw_curves(panels: Sequence[Panel], path: Path, title: str) -> None:
    """Write a picture of curves.

    Args:
        path: ends in .svg, .png or .pdf; replaced where it exists, whole or not at all.

    Raises:
        NasError: another kind of file, no matplotlib, or a file that cannot be written.
    """
    with chart(path, title, (WIDTH * len(panels) + LEGEND, HEIGHT)) as figure:
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, panel in zip(axes, panels, strict=True):
            _draw(axis, panel)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=8)


def _draw(axis: Axes, panel: Panel) -> None:
    for place, (label, values) in enumerate(panel.lines.items()):
        colour, style = COLOURS[place % len(COLOURS)], STYLES[place // len(COLOURS) % len(STYLES)]
        axis.plot(np.arange(1, len(values) + 1), values, color=colour, linestyle=style, linewidth=1.4, label=label)
    axis.set_title(panel.title, fontsize=10, loc="left")
    axis.set_xlabel("evaluations")
    axis.set_ylabel(panel.axis)
    axis.grid(alpha=0.25)
    largest = max((float(np.nanmax(values)) for values in panel.lines.values() if np.isfinite(values).any()), default=0.0)
    if panel.regret and largest > 0:
        axis.set_yscale("symlog", linthresh=FLAT * largest)
        axis.set_ylim(bottom=0, top=1.1 * largest)
