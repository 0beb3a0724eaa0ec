"""Putting a run's page together from what its folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.base.files import write_text
from nas.jobs.commands import command_of
from nas.jobs.layer_table import layer_table
from nas.jobs.readme import heading, network_rows, notes, run_title, search_notes, untrained_note
from nas.jobs.reports import sections
from nas.jobs.reports.answer import answer_of, tiles_of
from nas.jobs.reports.asked import asked_of
from nas.jobs.reports.axes import shown_axes
from nas.jobs.reports.correlation import correlation_of
from nas.jobs.reports.networks import decisions_of, described, drawing
from nas.jobs.reports.points import Points, points_of
from nas.jobs.reports.progress import progress_of
from nas.jobs.run import Run
from nas.reporting import Markup, data_block, document, joined, script, style, tag
from nas.reporting.figures import shortened
from nas.reporting.parts import pairs, plot, section, tiles
from nas.runs import Manifest, RunFolder
from nas.runs.curve import Curve, read_curve
from nas.runs.trained import locate
from nas.supernet import Space, Task

Part = tuple[str, str, Markup]
"""One part of a page: its identifier, how links to it are called, and itself."""


def report(path: str | Path, out: str | Path | None = None, space: Space | None = None) -> dict[str, Any]:
    """Write the page of a finished run again.

    Args:
        out: the file; `report.html` in the run's folder by default.
        space: for a run of a space that only exists as an object: the same again.

    Returns:
        {"run", "file", "bytes"}.

    Raises:
        NasError: the run is not finished, or its files are damaged.
    """
    run = Run(path, space)
    if run.manifest.kind == "retrain":
        raise NasError(
            f"{path} holds a retrained network, which has no page of its own: its figures are in {run.folder.card}; give the "
            "run that it came from"
        )
    file = run.folder.report if out is None else Path(out)
    if file.is_dir():
        raise NasError(f"{file} is a folder; give the page a name, such as {file / 'report.html'}")
    try:
        write_report(run.folder, run.manifest, run.results, run.space, file)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise NasError(
            f"the results of run {path} are damaged or of another version: {type(error).__name__}: {error}; "
            f"'nas show {path}' may still read them"
        ) from error
    return {"run": str(path), "file": str(file), "bytes": file.stat().st_size}


def write_report(
    folder: RunFolder, manifest: Manifest, figures: Mapping[str, Any], space: Space, file: Path | None = None
) -> None:
    """Write the page of a run, whole or not at all.

    Args:
        figures: its results.
        space: that of the run, at the run's tasks.
        file: by default in the run's folder.
    """
    write_text(file or folder.report, page_of(folder, manifest, figures, space))


def page_of(folder: RunFolder, manifest: Manifest, figures: Mapping[str, Any], space: Space) -> str:
    """The page as one text that needs nothing else: no network, no other file."""
    parts = _training_parts if figures["kind"] == "train" else _search_parts
    made, data = parts(folder, manifest, figures, space)
    title = run_title(figures)
    switch = tag("button", "Dark", id="theme", type="button", class_="needs-script")
    links = [tag("a", called, href=f"#{name}") for name, called, _ in made]
    body = joined(
        [
            tag("header", tag("h1", title), switch),
            tag("p", f"Run {folder.path.name}, begun {manifest.created}.", class_="faint"),
            tag("p", answer_of(figures), class_="answer"),
            tiles(tiles_of(figures)),
            tag("nav", links, aria_label="Parts of this page"),
            tag("main", [part for _, _, part in made]),
            tag("footer", tag("p", "Files of this run are described in its README.md.", class_="note")),
            data_block("data", data),
        ]
    )
    return document(title, body, style(), script("plots", "scatter", "report"))


def _search_parts(
    folder: RunFolder, manifest: Manifest, figures: Mapping[str, Any], space: Space
) -> tuple[list[Part], dict[str, Any]]:
    """Parts and data of a search."""
    deployed = Task(**manifest.plan["deployed_at"])
    points = points_of(folder, space, deployed, figures)
    curve = _curve(folder, manifest)
    correlation = correlation_of(folder, manifest, space, points)
    compared = _compared(figures)
    up, across = shown_axes(figures)[:2]
    names = {axis.name for axis in points.axes}
    up = up if up in names else points.searched.name
    made = [_asked(manifest, figures)]
    networks = [(name, network, _place(space, points, network)) for name, network in network_rows(figures)]
    front = [(f"front {place}", network, _place(space, points, network)) for place, network in enumerate(figures["front"], 1)]
    evaluations = sections.pareto(points.axes, (up, across), networks, figures)
    remarks = notes(figures) if figures["kind"] == "search" else [untrained_note(figures), *search_notes(figures)]
    made.append(("evaluations", "Networks", joined([evaluations, sections.front_table(front, figures)])))
    progress = progress_of(points)
    words = (
        "Share of the volume between the worst and the best figures that lies behind the front."
        if progress["several"]
        else None
    )
    note = tag("p", words, class_="note") if words else None
    made.append(("search", "Search", section("search", "Search progress", note, *plot("progress"))))
    if figures["latency"]:
        made.append(("latency", "Latency", sections.latency(figures, compared)))
    if curve is not None:
        made.append(_losses())
    winner = space.validate(figures["winner"]["architecture"])
    metric = next(iter(figures["latency"]), None)
    table = None if metric is None else space.device_of(metric)
    layers = layer_table(space, winner, deployed, metric)
    pictures = drawing(space, winner, deployed, "The winner")
    made.append(("winner", "Layers", sections.network_section(pictures, layers, str(deployed), table.name if table else None)))
    if correlation is not None:
        made.append(("predictor", "Predictor", sections.predictor(correlation)))
    made.append(("notes", "Notes", section("notes", "Notes", tag("ul", [tag("li", note) for note in remarks]))))
    made.append(_reproduce(manifest))
    data = {
        "strategy": figures["search"]["strategy"],
        "axes": [axis.to_json() for axis in points.axes],
        "points": _columns(points),
        "winner": networks[0][2],
        "runners": [place for name, _, place in networks if name.startswith("runner-up") and place is not None],
        "limits": {} if figures["reward"] else {target["metric"]: target["limit"] for target in figures["targets"]},
        "decisions": decisions_of(space, points),
        "layers": described(space, deployed, points),
        "latency": compared,
        "progress": progress,
        "training": None if curve is None else curve.model_dump(mode="json"),
        "correlation": correlation,
    }
    return made, data


def _training_parts(
    folder: RunFolder, manifest: Manifest, figures: Mapping[str, Any], space: Space
) -> tuple[list[Part], dict[str, Any]]:
    """Parts and data of a run that only trained."""
    made = [_asked(manifest, figures)]
    curve = _curve(folder, manifest)
    if curve is not None:
        made.append(_losses())
    if figures["derived"]:
        deployed, found = Task(**manifest.plan["deployed_at"]), space.validate(figures["derived"])
        layers = layer_table(space, found, deployed)
        pictures = drawing(space, found, deployed, "The derived architecture")
        made.append(("winner", "Layers", sections.network_section(pictures, layers, str(deployed), None)))
    made.append(_reproduce(manifest))
    data = {"training": None if curve is None else curve.model_dump(mode="json")}
    return made, data


def _asked(manifest: Manifest, figures: Mapping[str, Any]) -> Part:
    return "asked", "What was asked", section("asked", "What was asked", pairs(asked_of(manifest, figures)))


def _losses() -> Part:
    return "curve", "Training", section("curve", "Training", *plot("training", legend=False))


def _reproduce(manifest: Manifest) -> Part:
    part = sections.reproduce(command_of(manifest), manifest.versions, manifest.machine, manifest.created)
    return "reproduce", "Reproduce", part


def _curve(folder: RunFolder, manifest: Manifest) -> Curve | None:
    """The losses of the supernet's training; None where there was none, or it is gone."""
    source = folder.supernet if manifest.config.supernet is None else Path(manifest.config.supernet)
    try:
        return read_curve(locate(source))
    except NasError:
        return None


def _place(space: Space, points: Points, network: Mapping[str, Any]) -> int | None:
    """Where a network of the results stands among the points."""
    return points.place_of(space.encode([space.validate(network["architecture"])])[0])


def _compared(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Predicted and measured latencies of the winner and the runners-up, device by device."""
    found = []
    for metric in figures["latency"]:
        points = [
            {"name": name, "x": entry["predicted"], "y": entry["ms"], "spread": entry["spread"], "error": entry["error"]}
            for name, network in network_rows(figures)
            if (entry := network.get("measured", {}).get(metric)) is not None
        ]
        if points:
            found.append({"label": heading(metric), "points": points})
    return found


def _columns(points: Points) -> dict[str, Any]:
    """The figures of all evaluations, short."""
    return {
        "study": "".join(map(str, points.study.tolist())),
        "number": points.number.tolist(),
        "values": {name: list(map(shortened, values.tolist())) for name, values in points.values.items()},
    }
