"""The local page itself; its script fills it."""

from __future__ import annotations

from nas.reporting import data_block, document, joined, script, style, tag
from nas.reporting.parts import plot, section


def page_of(folder: str) -> str:
    """The page for a folder of runs."""
    heads = ["compare", "run", "state", "best", "progress", "asked", "space", "report"]
    head = tag("tr", [tag("th", title, scope="col") for title in heads])
    table = tag("table", tag("thead", head), tag("tbody", id="runs"))

    def select(name: str) -> object:
        return tag("label", name, tag("select", id=name))

    body = joined(
        [
            tag("header", tag("h1", f"Runs in {folder}"), tag("button", "Dark", id="theme", type="button")),
            tag("p", "This page needs its script.", class_="without-script"),
            tag("p", id="problem", class_="note", role="status"),
            tag("main", tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="Runs")),
            section(
                "compared",
                "Fronts",
                tag("p", "Tick the runs whose fronts are to be seen together.", class_="note"),
                tag("div", select("up"), select("across"), class_="controls"),
                *plot("fronts"),
            ),
            section(
                "followed",
                "One run",
                tag("p", "Choose a run in the list.", class_="note", id="followed-note"),
                tag("div", id="followed-figures"),
                tag("h3", "Search progress"),
                *plot("progress"),
                tag("h3", "Training"),
                *plot("training", legend=False),
            ),
            data_block("data", {"folder": folder}),
        ]
    )
    return document(f"Runs in {folder}", body, style(), script("plots", "scatter", "watch"), reaches="'self'")
