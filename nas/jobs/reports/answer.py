"""What a run found, in one sentence and a few figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nas.data.tasks import METRICS, Classification, kind_in
from nas.jobs.readme import columns, heading, measured, measured_heading, measured_shown, shown_cost


def answer_of(figures: Mapping[str, Any]) -> str:
    """The answer in one sentence."""
    if figures["kind"] == "train":
        training, data = figures["training"], figures["data"]
        found = " and arrived at an architecture of its own" if figures["derived"] else ""
        return (
            f"A supernet of {figures['space']} was trained on {data['name']} for {training['steps']:.0f} steps of "
            f"{training['trainer']} in {_duration(training['seconds'])}{found}; its last loss was {training['last_loss']:.3f}."
        )
    winner, search = figures["winner"], figures["search"]
    has = _listed([f"{_value(name, winner)} {measured_heading(name, figures)}" for name in measured(figures)])
    costs = _listed([f"{shown_cost(name, winner)} {_cost_noun(name)}".rstrip() for name in columns(figures)])
    tested = _tested(figures)
    beside = figures["random_search"]
    name = measured(figures)[-1]
    random = f"; random search's best has {_value(name, beside['best'])}" if beside else ""
    return _unbroken(f"{_of(figures, search['evaluations'])} has {has} at {costs}{tested}{random}.")


def tiles_of(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The few figures that matter most, as label and figure."""
    if figures["kind"] == "train":
        training = figures["training"]
        return [
            ("steps", f"{training['steps']:.0f}"),
            ("time", _duration(training["seconds"])),
            ("last loss", f"{training['last_loss']:.3f}"),
        ]
    winner = figures["winner"]
    tiles = [(_tested_label(name), _figure(name, value)) for name, value in winner.get("test", {}).items() if name != "loss"]
    tiles += [(measured_heading(name, figures), _value(name, winner)) for name in measured(figures)]
    for name, entry in winner.get("measured", {}).items():
        tiles.append((f"{heading(name)}, measured", f"{entry['ms']:.2f} ms"))
    return tiles + [(heading(name), shown_cost(name, winner)) for name in columns(figures)]


def _of(figures: Mapping[str, Any], evaluations: int) -> str:
    """The subject of the sentence: which network of how many, under what."""
    bounds = [] if figures["reward"] else [target["text"] for target in figures["targets"]]
    under = f"Under {_listed(bounds)} " if bounds else ""
    count = f"{evaluations} evaluated network{'s' * (evaluations != 1)}"
    if len(figures["objectives"]) > 1:
        front = len(figures["front"])
        where = f"the pick of a front of {front} among {count}"
    elif figures["reward"]:
        where = f"the one of {count} that {figures['reward']['name']} rewards most"
    else:
        where = f"the best of {count}"
    return under + where if under else where[0].upper() + where[1:]


def _tested(figures: Mapping[str, Any]) -> str:
    test = figures["winner"].get("test", {})
    if not test:
        return ""
    kind, images = kind_in(figures["data"]), f"{figures['data']['images']['test']} test images"
    metric = kind.metrics[0]
    value = metric.format(test[metric.name])
    if kind is Classification:
        return f", and classifies {value} of {images} right"
    return f", and on {images} {value} {metric.title}"


def _tested_label(name: str) -> str:
    return f"test {METRICS[name].title if name in METRICS else name}"


def _cost_noun(name: str) -> str:
    """What a cost is, after its figure; a latency's and an energy's unit say it."""
    device = name.removesuffix("-latency").removesuffix("-energy")
    return f"on {device}" if device != name else heading(name)


def _value(name: str, network: Mapping[str, Any]) -> str:
    return measured_shown(name, network) or "no figure"


def _figure(name: str, value: float) -> str:
    return METRICS[name].format(value) if name in METRICS else f"{value:.4g}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _unbroken(text: str) -> str:
    """The same, with figures and units that stay on one line."""
    return re.sub(r"(?<=\d) (?=(?:%|ms|mJ|[kMG]?B?)(?:\W|$))", "\u00a0", text)


def _listed(words: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
