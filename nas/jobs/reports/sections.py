"""The parts of a run's page, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.base.units import COUNT
from nas.jobs.latencies import latency_notes
from nas.jobs.layer_table import milliseconds_shown, settings_shown
from nas.jobs.readme import columns, effort, heading, measured, measured_heading, measured_shown, shown_cost
from nas.jobs.reports.axes import Axis
from nas.reporting import Markup, tag
from nas.reporting.parts import pairs, plot, section, table

Numbered = tuple[str, Mapping[str, Any], int | None]
"""A network of results.json: its name, its figures, and its place among the points of the page."""


def pareto(axes: Sequence[Axis], chosen: tuple[str, str], networks: Sequence[Numbered], figures: Mapping[str, Any]) -> Markup:
    """The plot of all evaluations, the card of the chosen one, and the tables of what the plot shows.

    Args:
        chosen: names of the axes, up and across.
        networks: the winner, runners-up and the best of random search.
    """

    def select(name: str, label: str, at: str) -> Markup:
        choices = [tag("option", axis.label, value=axis.name, selected=axis.name == at) for axis in axes]
        return tag("label", label, tag("select", choices, id=name))

    return section(
        "evaluations",
        "Every evaluated network",
        tag("p", effort(figures)),
        tag("div", select("up", "up", chosen[0]), select("across", "across", chosen[1]), class_="controls needs-script"),
        *plot("pareto"),
        tag(
            "p", "The plot is drawn by a script, which is switched off here; the tables say the same.", class_="without-script"
        ),
        tag("p", id="said", class_="hidden-label", aria_live="polite"),
        tag(
            "p",
            "Point at a dot for its figures; click or tap it for its layers. With the keyboard: arrow keys and Enter.",
            class_="note needs-script",
        ),
        tag("div", id="network", class_="card needs-script", aria_live="polite"),
        tag("h3", "Winner, runners-up and random search"),
        network_table(networks, figures, "Winner, runners-up and random search"),
    )


def front_table(networks: Sequence[Numbered], figures: Mapping[str, Any]) -> Markup:
    """The Pareto front as a table."""
    return tag(
        "details",
        tag("summary", f"The Pareto front as a table ({len(networks)} networks)"),
        network_table(networks, figures, "Pareto front", tall=True),
    )


def network_table(networks: Sequence[Numbered], figures: Mapping[str, Any], label: str, tall: bool = False) -> Markup:
    """Networks with their figures, each with a button that shows its layers."""
    costs, found = columns(figures), measured(figures)
    titles = ["network", *(measured_heading(name, figures) for name in found), *map(heading, costs), ""]
    rows = []
    for name, network, place in networks:
        cells = [measured_shown(one, network) for one in found] + [shown_cost(metric, network) for metric in costs]
        button = tag("button", "layers", type="button", data_point=place, class_="needs-script", aria_label=f"Layers of {name}")
        rows.append([name, *cells, button if place is not None else None])
    return table(titles, rows, label, 1, tall)


def latency(figures: Mapping[str, Any], compared: Sequence[Mapping[str, Any]]) -> Markup:
    """Predicted beside measured latencies, where whole networks were measured.

    Args:
        compared: {"label", "points": [{"name", "x", "y", "spread", "error"}]}.
    """
    parts: list[Any] = [tag("p", note, class_="note") for note in latency_notes(figures)]
    for place, one in enumerate(compared):
        rows = [
            [
                point["name"],
                f"{point['x']:.2f} ms",
                f"{point['y']:.2f} ms",
                f"{point['spread']:.2f} ms",
                f"{point['error']:+.1f} %",
            ]
            for point in one["points"]
        ]
        parts += [tag("h3", one["label"]), *plot(f"latency-{place}", legend=False)]
        parts.append(table(["network", "table said", "measured", "spread", "table's error"], rows, one["label"], 1))
    if not compared:
        parts.append(tag("p", "No network was measured as a whole: none of these devices is present.", class_="note"))
    return section("latency", "Predicted and measured latency", *parts)


def network_section(pictures: Sequence[Markup], layers: Sequence[Mapping[str, Any]], at: str, device: str | None) -> Markup:
    """The winner as a picture, and its layers as a table."""
    most = max((layer["macs"] for layer in layers), default=0) or 1
    titles = ["layer", "kind", "settings", "output", "multiply-adds", "", "parameters", *([f"{device} ms"] if device else [])]
    rows = []
    for layer in layers:
        shape = " x ".join(map(str, layer["output"]))
        bar = tag("span", class_="bar", style=f"width:{6 * layer['macs'] / most:.2f}rem")
        row: list[Any] = [layer["path"], layer["kind"], settings_shown(layer), shape]
        row += [COUNT.format(layer["macs"]), bar, COUNT.format(layer["params"])]
        if device:
            row.append(milliseconds_shown(layer))
        rows.append(row)
    drawn = "" if pictures else " It has too many parts to be drawn."
    shown = [tag("p", f"Counted at {at}.{drawn}", class_="note"), *pictures]
    listed = tag("details", tag("summary", f"All {len(rows)} layers as a table"), table(titles, rows, "Layers", 4, tall=True))
    return section("winner", "The network, stage by stage", *shown, listed)


def predictor(found: Mapping[str, Any]) -> Markup:
    """How well a predictor ranks networks that it has not seen."""
    quality = found["quality"]
    words = (
        f"Predictor '{found['predictor']}' ranks networks that it has not seen with a Kendall tau of "
        f"{quality['kendall_tau']:.2f} (Spearman {quality['spearman']:.2f}), cross-validated on {quality['count']:.0f} "
        f"evaluations. {100 * quality['coverage']:.0f} % of the true figures lie inside its 90 % intervals. {found['note']}"
    )
    return section(
        "predictor", "The predictor", tag("p", words), *(plot("correlation", legend=False) if found["pairs"] else [])
    )


def reproduce(command: str, versions: Mapping[str, str], machine: Mapping[str, Any], created: str) -> Markup:
    """The command, versions and machine of a run."""
    hardware = [(name, str(value)) for name, value in machine.items() if name != "command" and value is not None]
    return section(
        "reproduce",
        "How to reproduce this",
        tag("pre", tag("code", command)),
        pairs([("begun", created), *versions.items(), *hardware]),
    )
