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
    directions = {one["name"]: one["direction"] for one in figures["objectives"]}
    searched = [name for name in measured(figures) if name in found]
    names = dict.fromkeys([*searched, *found])
    axes = [_measured(name, figures, directions) for name in names]
    return axes + [_cost(name, directions.get(name, "minimize")) for name in columns(figures)]


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


def _measured(name: str, figures: Mapping[str, Any], directions: Mapping[str, Direction]) -> Axis:
    reward = bool(figures["reward"]) and name == figures["reward"]["name"]
    known = METRICS.get(name)
    direction: Direction | None = "maximize" if reward else known.direction if known is not None else None
    unit = "%" if known is not None and known.percent else ""
    return Axis(name, measured_heading(name, figures), unit, False, directions.get(name, direction), False)


def _cost(name: str, direction: Direction) -> Axis:
    quantity = quantity_of(name)
    return Axis(name, heading(name), quantity.base, quantity.scaled, direction, True)
