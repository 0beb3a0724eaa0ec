"""The importance of decisions and the worth of modules as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.drawing.paint import COLOURS, FAINT
from nas.drawing.picture import chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOW = "#b02a2a"
"""A warning."""

WIDTH, LINE, MARGIN = 11.0, 0.36, 1.5
"""Of the picture, of one decision or unit, and above and below all of them, in inches."""


def draw_importance(explained: Mapping[str, Any], path: Path) -> None:
    """Write a picture of what `nas.jobs.explain` returns: bars of the decisions, and the scores of each unit's modules.

    Args:
        path: ends in .svg, .png or .pdf; replaced where it exists, whole or not at all.

    Raises:
        NasError: another kind of file, no matplotlib, or a file that cannot be written.
    """
    decisions, units = explained["decisions"], explained["units"]
    rows = max(len(decisions), len(units), 4)
    title = f"{explained['space']}: what mattered for {explained['metric']} in {explained['evaluations']} evaluations"
    with chart(path, title, (WIDTH, MARGIN + LINE * rows)) as figure:
        panels = figure.subplots(1, 2)
        _decisions(panels[0], decisions, explained)
        _units(panels[1], units, explained)
        tau = explained["quality"]["kendall_tau"]
        note = f"Kendall tau of {explained['predictor']} on architectures that it has not seen: {tau:.2f}"
        low = explained["warning"] is not None
        note += ", too low for its importances and modules to mean much" * low
        figure.supxlabel(note, fontsize=8, color=LOW if low else FAINT, x=0.01, ha="left")


def _decisions(axes: Axes, decisions: Sequence[Mapping[str, Any]], explained: Mapping[str, Any]) -> None:
    """Two bars for each decision, the most important one on top."""
    places = range(len(decisions))
    bars = (("fanova", "fANOVA", -0.2), ("permutation", f"{explained['predictor']}, permutation", 0.2))
    for colour, (key, label, shift) in zip(COLOURS, bars, strict=False):
        values = [100 * (one[key] or 0.0) for one in decisions]
        axes.barh([place + shift for place in places], values, height=0.38, color=colour, label=label)
    axes.set_yticks(places, [one["name"] for one in decisions])
    axes.invert_yaxis()
    axes.axvline(0, color=FAINT, linewidth=0.8)
    axes.set_xlabel("share of the variance, %")
    axes.set_title("decisions", fontsize=10, loc="left")
    axes.legend(loc="lower right", frameon=False, fontsize=8)


def _units(axes: Axes, units: Sequence[Mapping[str, Any]], explained: Mapping[str, Any]) -> None:
    """For each unit the range of its modules' scores, the middle half of them, and the best ones as dots."""
    for place, unit in enumerate(units):
        least, low, middle, high, most = unit["quartiles"]
        axes.plot([least, most], [place, place], color=FAINT, linewidth=1, zorder=1)
        axes.plot([low, high], [place, place], color=COLOURS[0], linewidth=6, solid_capstyle="butt", alpha=0.45, zorder=2)
        axes.plot([middle, middle], [place - 0.2, place + 0.2], color=COLOURS[0], linewidth=1.5, zorder=3)
        best = [module["score"] for module in unit["modules"]]
        axes.plot(best, [place] * len(best), "o", markersize=3.5, color=COLOURS[1], zorder=4)
    axes.set_yticks(range(len(units)), [unit["name"] for unit in units])
    axes.invert_yaxis()
    axes.set_xlabel(f"score of a module, in {explained['metric']}")
    shown = max(len(unit["modules"]) for unit in units)
    axes.set_title(f"modules of each unit: range, middle half, best {shown}", fontsize=10, loc="left")
