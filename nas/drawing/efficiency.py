"""A network on a machine's roofline as a picture: the efficiency that each layer can reach, and the gap to what is measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.drawing.paint import COLOURS, FAINT, INK
from nas.drawing.picture import chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (11.0, 5.6)
"""Of the picture, in inches."""

COMPUTING, MOVING, WATER = COLOURS[0], COLOURS[1], COLOURS[9]
"""Layers that computing holds up, layers that moving bytes holds up, and the waterline."""

NAMED = 0.035
"""A layer of at least this share of the operations has its name in the picture."""


def draw_efficiency(found: Mapping[str, Any], path: Path) -> None:
    """Write a picture of what `nas.jobs.efficiency` returns.

    Above the waterline: for each layer a bar as wide as its share of the operations, as high as the share of the peak
    throughput that it can reach; the waterline is what the whole network can reach. Below it the efficiency gap: ideal, least
    and real latency on a logarithmic axis.

    Args:
        path: ends in .svg, .png or .pdf; replaced where it exists, whole or not at all.

    Raises:
        NasError: another kind of file, no matplotlib, or a file that cannot be written.
    """
    machine = found["machine"]
    title = f"{found['space']}, {found['name']}: efficiency on {machine['name']}"
    with chart(path, title, SIZE) as figure:
        upper, lower = figure.subplots(2, 1, height_ratios=(3.2, 1.0))
        _waterline(upper, found)
        _gap(lower, found)
        note = (
            f"{machine['gflops']:.3g} Gop/s, {machine['gbs']:.3g} GB/s, ridge point {machine['ridge']:.3g} operations a byte; "
        )
        figure.supxlabel(note + f"{found['at']}, {found['dtype']}, batch 1", fontsize=8, color=FAINT, x=0.01, ha="left")


def _waterline(axes: Axes, found: Mapping[str, Any]) -> None:
    """One bar a layer, in the order of execution."""
    left = 0.0
    for layer in found["layers"]:
        width, height = 100 * layer["share"], 100 * layer["attainable"]
        if not width:
            continue
        colour = COMPUTING if layer["attainable"] >= 1.0 else MOVING
        axes.bar(left, height, width, align="edge", color=colour, edgecolor="white", linewidth=0.4)
        if layer["share"] >= NAMED:
            style: dict[str, Any] = {"rotation": 90, "fontsize": 7, "color": "white", "ha": "center", "va": "bottom"}
            axes.text(left + width / 2, 2, layer_name(layer), clip_on=True, parse_math=False, **style)
        left += width
    level = 100 * found["waterline"]
    axes.axhspan(0, level, color=WATER, alpha=0.12, zorder=0)
    axes.axhline(level, color=WATER, linewidth=1.6, label=f"waterline {level:.0f} %")
    fused = 100 * found["fused_waterline"]
    axes.axhline(fused, color=WATER, linewidth=1.2, linestyle=":", label=f"with fused blocks {fused:.0f} %")
    for colour, label in ((COMPUTING, "held up by computing"), (MOVING, "held up by moving bytes")):
        axes.bar(0, 0, 0, color=colour, label=label)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 105)
    axes.set_xlabel("share of the operations, %, layer after layer")
    axes.set_ylabel("attainable efficiency, %")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=4, frameon=False, fontsize=8)


def _gap(axes: Axes, found: Mapping[str, Any]) -> None:
    """Ideal, least and real latency as points of one line; the distance from the ideal is one over the efficiency."""
    from matplotlib.ticker import StrMethodFormatter

    points = [("ideal", found["ideal_ms"], COMPUTING), ("layers at their best", found["least_ms"], WATER)]
    if found["latency"] is not None:
        real = "measured" if found["machine"]["measured"] else "by its table"
        points.append((real, found["latency"]["ms"], MOVING))
    low, high = min(value for _, value, _ in points), max(value for _, value, _ in points)
    axes.plot([low, high], [0, 0], color=FAINT, linewidth=1.2, zorder=1)
    for place, (label, value, colour) in enumerate(points):
        axes.plot([value], [0], "o", color=colour, markersize=7, zorder=2)
        side = -1 if place % 2 else 1
        words = f"{label}\n{value:.3g} ms"
        axes.annotate(
            words,
            (value, 0),
            xytext=(0, 9 * side),
            textcoords="offset points",
            ha="center",
            va="bottom" if side > 0 else "top",
            fontsize=8,
            color=INK,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(StrMethodFormatter("{x:g}"))
    axes.set_xlim(low / 1.8, high * 1.8)
    axes.set_ylim(-1, 1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    gap = (
        f"efficiency gap {found['gap']:.2f} x: {100 * found['efficiency']:.0f} % of the peak" if found["gap"] else "no latency"
    )
    axes.set_xlabel(f"latency of one image, ms ({gap})")


def layer_name(layer: Mapping[str, Any]) -> str:
    """A layer of a block in words: 'layers.3 depthwise'."""
    parts = [part for part in layer["path"].split(".") if part != "conv"]
    own = parts[-1] if parts else ""
    block = str(layer["block"])
    return block if not own or own.isdigit() or block.endswith(own) else f"{block} {own}"
