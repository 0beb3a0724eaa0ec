"""Architectures as sequences of layers, read off the names of their decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.choices import free_choices

Numbers = npt.NDArray[np.int64]


class Nodes(NamedTuple):
    """The layers of many architectures, one after the other.

    Attributes:
        codes: (M, G) for each layer and group of features an option, counted from 1; 0 where the layer has none.
        previous: (M,) number of the layer before it in the same architecture, -1 for the first.
        graph: (M,) number of its architecture.
        unit: (M,) number of its unit.
    """

    codes: Numbers
    previous: Numbers
    graph: Numbers
    unit: Numbers


class Layers:
    """Which decisions make up which layer, and which layers a unit.

    `stage1.block2.kernel` is a decision of the layer `stage1.block2` in the unit `stage1`; `layer7` is a layer and a unit of
    its own. A decision on which others depend, such as a depth, shows in which layers there are. Any other whose name has
    neither dot nor number, such as `resolution`, is one of all layers.

    Attributes:
        groups: groups of features by name: 'unit', 'position' in the unit, and one for each kind of decision.
        options: group -> its options.
        units: names, in order.
    """

    def __init__(self, decisions: Decisions) -> None:
        self.decisions = decisions
        guards = {choice.name for choice in free_choices(*decisions.conditions.values())}
        members: dict[str, list[str]] = {}
        shared = []
        for name in decisions.names:
            layer = name.rpartition(".")[0] or name
            if layer == name and name.rstrip("0123456789") == name:
                if name not in guards:
                    shared.append(name)
            else:
                members.setdefault(layer, []).append(name)
        members = {layer: names for layer, names in members.items() if not guards.issuperset(names)}
        if not members:
            # Nothing is named after a layer: every decision is one.
            members, shared = {name: [name] for name in decisions.names}, []
        self.members, self.shared = members, shared
        self.unit_of = {layer: layer.rpartition(".")[0] or layer for layer in members}
        self.units = tuple(dict.fromkeys(self.unit_of.values()))
        places: dict[str, int] = {}
        self._position: dict[str, int] = {}
        for layer, unit in self.unit_of.items():
            places[unit] = places.get(unit, 0) + 1
            self._position[layer] = places[unit]
        kinds: dict[str, dict[object, int]] = {}
        for name in [*shared, *(name for names in members.values() for name in names)]:
            known = kinds.setdefault(_kind(name), {})
            for option in decisions.choices[decisions.column[name]].options:
                known.setdefault(option, len(known) + 1)
        self._kinds = kinds
        self.groups = ("unit", "position", *kinds)
        self.options: dict[str, tuple[object, ...]] = {
            "unit": self.units,
            "position": tuple(range(1, max(places.values()) + 1)),
            **{kind: tuple(known) for kind, known in kinds.items()},
        }

    def nodes(self, rows: Rows, units: Sequence[str] | None = None) -> Nodes:
        """The layers of canonical rows (N, D) that are there; only those of some units where these are given."""
        return joined(*self.padded(rows, units))

    def padded(self, rows: Rows, units: Sequence[str] | None = None) -> tuple[Numbers, npt.NDArray[np.bool_]]:
        """Codes (N, L, G) of all layers, and (N, L) which of them are there."""
        active = self.decisions.active(rows)
        layers = [layer for layer in self.members if units is None or self.unit_of[layer] in units]
        codes = np.zeros((len(rows), len(layers), len(self.groups)), dtype=np.int64)
        there = np.zeros((len(rows), len(layers)), dtype=bool)
        for place, layer in enumerate(layers):
            codes[:, place, 0] = 1 + self.units.index(self.unit_of[layer])
            codes[:, place, 1] = self._position[layer]
            for name in (*self.shared, *self.members[layer]):
                column, kind = self.decisions.column[name], _kind(name)
                table = np.array([self._kinds[kind][option] for option in self.decisions.choices[column].options])
                codes[:, place, self.groups.index(kind)] = np.where(active[:, column], table[rows[:, column]], 0)
                if name not in self.shared:
                    there[:, place] |= active[:, column]
        return codes, there

    def of_unit(self, unit: str) -> list[int]:
        """Columns of the decisions of a unit: those of its layers, and those named after the unit itself."""
        names = [name for layer, names in self.members.items() if self.unit_of[layer] == unit for name in names]
        names += [name for name in self.decisions.names if name.rpartition(".")[0] == unit and name not in names]
        return sorted(self.decisions.column[name] for name in names)


def joined(codes: Numbers, there: npt.NDArray[np.bool_]) -> Nodes:
    """The layers that are there, out of all, as `Layers.padded` gives them."""
    graph, _ = np.nonzero(there)
    previous = np.arange(len(graph)) - 1
    previous[np.flatnonzero(np.diff(graph, prepend=-1))] = -1
    found = codes[there]
    return Nodes(found, previous, graph, found[:, 0] - 1)


def _kind(name: str) -> str:
    last = name.rpartition(".")[2]
    return last.rstrip("0123456789") or last
