"""Spaces whose decisions are nested sizes: which weights each option adds to those of the option below it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from nas.choices import Choice, Value, assignments, evaluate, free_choices
from nas.elastic import (
    Configurable,
    ElasticAttention,
    ElasticBatchNorm2d,
    ElasticConv2d,
    ElasticLinear,
    ElasticTransformedConv2d,
    Optional,
    Walk,
)

Layer = ElasticConv2d | ElasticLinear
LIMIT = 4096
"""Joint options of decisions that size the same layers."""


@dataclass(frozen=True)
class Superkernel:
    """Layers whose kernels, widths and presence the same decisions fix: each level holds the weights of those below it.

    Attributes:
        name: the decisions, for the user.
        layers: they change together; smaller kernels are the centre, smaller widths the first output channels.
        sides: of the kernels, ascending; one where the kernel is not searched.
        widths: for each layer its output widths, ascending.
        optional: whether some option leaves the layers out.
        columns: of the decisions.
        codes: (A, decisions) their joint options.
        levels: (A, 3) what these mean: present (0 or 1), index of the side, index of the width.
    """

    name: str
    layers: tuple[Layer, ...]
    sides: tuple[int, ...]
    widths: tuple[tuple[int, ...], ...]
    optional: bool
    columns: tuple[int, ...]
    codes: np.ndarray
    levels: np.ndarray

    @property
    def shells(self) -> int:
        """How many kernels there are beyond the smallest."""
        return len(self.sides) - 1

    @property
    def groups(self) -> int:
        """How many groups of channels can be left out: those beyond the narrowest, and that one where layers are optional."""
        return len(self.widths[0]) - 1 + self.optional

    @property
    def increments(self) -> int:
        """Parts of the weights that can be left out."""
        return self.shells + self.groups


@dataclass(frozen=True)
class Superkernels:
    """The nested sizes of a network.

    Attributes:
        kernels: in the order of their decisions; no two share a decision.
        others: decisions that are none, and why.
    """

    kernels: tuple[Superkernel, ...]
    others: Mapping[str, str]


@dataclass(frozen=True)
class _Sized:
    """A layer, and the values that say how large it is and whether it is run."""

    name: str
    layer: Layer
    side: Value
    width: Value
    guard: Value

    @property
    def choices(self) -> tuple[Choice, ...]:
        return free_choices(self.side, self.width, self.guard)

    @property
    def depthwise(self) -> bool:
        settings = self.layer.settings
        return "groups" in settings and settings["groups"] is settings["out_channels"]


def superkernels(choices: Sequence[Choice], walk: Walk, network: nn.Module) -> Superkernels:
    """The nested sizes among a network's decisions, everything else at its last option.

    A decision's layers are the depthwise convolutions that it sizes or leaves out, as in Single-Path NAS, and where there is
    none all convolutions and linear layers whose output it sizes.

    Args:
        choices: the space's decisions in order.
        walk: of the same network.
    """
    others = dict(_read_otherwise(choices, network))
    column = {choice.name: place for place, choice in enumerate(choices)}
    guards = {operator.path: operator.guard for operator in walk.operators}
    sized = [
        _Sized(name, layer, layer.settings.get("kernel_size", 1), list(layer.settings.values())[1], guards[name])
        for name, layer in network.named_modules()
        if isinstance(layer, ElasticConv2d | ElasticLinear) and name in guards
    ]
    last = {choice.name: len(choice.options) - 1 for choice in choices}
    found: list[Superkernel] = []
    searched = [choice for choice in choices if choice.name not in others]
    for members, layers in _components(searched, sized):
        made = _superkernel(members, layers, last, column)
        if isinstance(made, str):
            others |= {choice.name: made for choice in members}
        else:
            found.append(made)
    return Superkernels(tuple(found), others)


def _read_otherwise(choices: Sequence[Choice], network: nn.Module) -> Iterator[tuple[str, str]]:
    """Decisions that do more than size convolutions and linear layers, or leave one module out."""
    names = {choice.name for choice in choices}
    for name, module in network.named_modules():
        if not isinstance(module, Configurable):
            continue
        for setting, value in module.settings.items():
            if not _sizes(module, setting):
                for choice in free_choices(value):
                    if choice.name in names:
                        yield choice.name, f"{name or 'the network'} ({type(module).__name__}) reads it as its {setting}"


def _sizes(module: Configurable, setting: str) -> bool:
    if isinstance(module, ElasticTransformedConv2d) and setting == "kernel_size":
        return False  # smaller kernels are no part of the larger ones
    if isinstance(module, ElasticConv2d) and setting == "groups":
        return module.settings["groups"] is module.settings["out_channels"]
    if isinstance(module, ElasticAttention):
        return setting == "heads"
    return isinstance(module, ElasticConv2d | ElasticLinear | ElasticBatchNorm2d | Optional)


def _components(searched: Sequence[Choice], sized: Sequence[_Sized]) -> Iterator[tuple[list[Choice], list[_Sized]]]:
    """Decisions that size the same layers, with those layers."""
    names = {choice.name for choice in searched}
    layers: dict[str, list[_Sized]] = {}
    for choice in searched:
        reading = [one for one in sized if choice in free_choices(one.side, one.width)]
        reading = reading or [one for one in sized if choice in one.choices]
        depthwise = [one for one in sized if one.depthwise and choice in one.choices]
        layers[choice.name] = depthwise or reading
    group = {name: {name} for name in names}
    for choice in searched:
        for one in layers[choice.name]:
            joined = {choice.name} | {other.name for other in one.choices if other.name in names}
            joined = joined.union(*(group[name] for name in joined))
            for name in joined:
                group[name] = joined
    done: set[str] = set()
    for choice in searched:
        if choice.name not in done:
            members = [other for other in searched if other.name in group[choice.name]]
            done |= group[choice.name]
            unique = {one.name: one for other in members for one in layers[other.name]}
            yield members, list(unique.values())


def _superkernel(
    members: Sequence[Choice], layers: Sequence[_Sized], last: Mapping[str, int], column: Mapping[str, int]
) -> Superkernel | str:
    """The superkernel of these decisions, or why they make none, as a sentence about one of them."""
    if not layers:
        return "it sizes no convolution or linear layer"
    if math.prod(len(choice.options) for choice in members) > LIMIT:
        return f"it sizes layers together with {len(members) - 1} other decisions, too many to look at"
    grid = assignments(members)
    count = len(next(iter(grid.values())))
    table = [_levels(one, {**last, **grid}, count) for one in layers]
    sides, present = table[0][0], table[0][2]
    levels = np.stack([present, _ranks(sides, present), _ranks(table[0][1], present)], axis=1)
    for one, (its_sides, its_widths, its_present) in zip(layers, table, strict=True):
        its = np.stack([its_present, _ranks(its_sides, its_present), _ranks(its_widths, its_present)], axis=1)
        if not np.array_equal(its, levels) or not np.array_equal(its_sides[present], sides[present]):
            return f"{layers[0].name} and {one.name} change differently with it"
    rows = [tuple(row) for row in levels.tolist()]
    product = {(1, side, width) for side in range(levels[:, 1].max() + 1) for width in range(levels[:, 2].max() + 1)}
    absent = count - int(present.sum())
    complete = {row for row in rows if row[0]} == product and int(present.sum()) == len(product)
    if not complete or absent not in (0, 1, len(product)):
        return "its options are not every combination of kernels and widths of its layers, each once"
    if absent == 1:
        levels[~present.astype(bool)] = 0
    if len(product) == 1 and not absent:
        return "it changes no size of a convolution or linear layer"
    return Superkernel(
        name=", ".join(choice.name for choice in members),
        layers=tuple(one.layer for one in layers),
        sides=tuple(np.unique(sides[present]).tolist()),
        widths=tuple(tuple(np.unique(widths[present]).tolist()) for _, widths, _ in table),
        optional=absent > 0,
        columns=tuple(column[choice.name] for choice in members),
        codes=np.stack([grid[choice.name] for choice in members], axis=1),
        levels=levels.astype(np.int64),
    )


class _Codes(dict[str, Any]):
    """Codes by name; a choice of a single option has code 0."""

    def __missing__(self, name: str) -> int:
        return 0


def _levels(one: _Sized, codes: Mapping[str, Any], count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Side, width and presence of a layer over joint options, (A,) each."""
    known = _Codes(codes)
    side, width, guard = (
        np.broadcast_to(np.asarray(evaluate(value, known)), (count,)) for value in (one.side, one.width, one.guard)
    )
    return side, width, guard.astype(bool)


def _ranks(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """The place of each value among those of the options that run the layer; 0 for what is below all of them."""
    return np.maximum(np.searchsorted(np.unique(values[present]), values, side="right") - 1, 0)
