"""The figures of an evaluated architecture that a report plots: what evaluations found, and what is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from nas.data.tasks import METRICS, kind_in
from nas.jobs.readme import columns, heading, measured, measured_heading, quantity_of

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Axis:
    """One figure.

    Attributes:
        name: as in results.json.
        label: for people.
        unit: such as 'ms' or '%'; empty for none.
        scaled: whether k, M and G stand before the unit.
        direction: None where it is not known what is good.
        cost: whether it is computed from the architecture rather than found by an evaluation.
    """

    name: str
    label: str
    unit: str
    scaled: bool
    direction: Direction | None
    cost: bool

    @property
    def sign(self) -> float:
        """What a figure is multiplied with so that larger is better."""
        return -1.0 if self.direction == "minimize" else 1.0

    def to_json(self) -> dict[str, Any]:
        """As the page's scripts read it."""
        return asdict(self)


def axes_of(figures: Mapping[str, Any], found: list[str]) -> list[Axis]:
    """Every figure that can be plotted: those that were searched for first, then what else evaluations found, then costs.

    Args:
        figures: the results of a search.
        found: names of what evaluations found.
    """
    directions = _directions(figures)
    searched = [name for name in measured(figures) if name in found]
    names = dict.fromkeys([*searched, *found])
    axes = [measured_axis(name, measured_heading(name, figures), directions.get(name)) for name in names]
    return axes + [cost_axis(name, directions.get(name, "minimize")) for name in columns(figures)]


def shown_axes(figures: Mapping[str, Any]) -> tuple[str, ...]:
    """The axes of the front in results.json: the objectives; of a search with one, it and the first target's metric,
    multiply-adds without a target."""
    names = [one["name"] for one in figures["objectives"]]
    if len(names) > 1:
        return tuple(names)
    metric = figures["targets"][0]["metric"] if figures["targets"] else "macs"
    if names[0] != metric:
        return (names[0], metric)
    return (kind_in(figures.get("data", {})).metrics[0].name, metric)


def searched_name(figures: Mapping[str, Any]) -> str:
    """The one figure that decides: the reward, else the first objective."""
    return str(figures["reward"]["name"] if figures["reward"] else figures["objectives"][0]["name"])


def measured_axis(name: str, label: str, direction: Direction | None) -> Axis:
    """Of what evaluations found.

    Args:
        direction: that was asked for; by default the metric's own.
    """
    known = METRICS.get(name)
    if direction is None and known is not None:
        direction = known.direction
    return Axis(name, label, "%" if known is not None and known.percent else "", False, direction, False)


def cost_axis(name: str, direction: Direction) -> Axis:
    """Of what is computed from an architecture."""
    quantity = quantity_of(name)
    return Axis(name, heading(name), quantity.base, quantity.scaled, direction, True)


def _directions(figures: Mapping[str, Any]) -> dict[str, Direction]:
    """Those that were searched in."""
    found: dict[str, Direction] = {one["name"]: one["direction"] for one in figures["objectives"]}
    if figures["reward"]:
        found[figures["reward"]["name"]] = "maximize"
    return found
