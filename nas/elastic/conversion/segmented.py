"""Layers whose channels are a sequence of segments, each of which is elastic by itself.

Behind a concatenation, what an architecture uses is the first part of every segment and not the first part of the whole. The
parameters are therefore kept in blocks, one for each pair of an output and an input segment; a setting uses the first part of
every block, and the layer joins them. Everything is exact, and every block is a plain parameter for whoever trains it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import nn

from nas.choices import Choice, Value
from nas.choices.expression import Operation
from nas.elastic.layer import Cut, ElasticLayer, Setting
from nas.elastic.symbolic import SymbolicTensor

Segments: TypeAlias = Sequence[tuple[Value, int]]
"""For each segment its width and the largest it can be."""


class SegmentedLayer(ElasticLayer):
    """A layer whose parameters are cut into blocks along the segments of its sides."""

    def lay_out(
        self,
        sides: Mapping[str, Segments],
        parameters: Mapping[str, tuple[torch.Tensor | None, tuple[str, ...]]],
        **settings: Value,
    ) -> None:
        """Cut the parameters, and declare the widths of all segments as settings, followed by others.

        Args:
            sides: name -> segments.
            parameters: name -> the whole parameter, and the side that each of its first dimensions follows.
        """
        self._grids: dict[str, list[tuple[str, ...]]] = {}
        self._counts = {name: [len(sides[side]) for side in along] for name, (_, along) in parameters.items()}
        for name, (whole, along) in parameters.items():
            self._grids[name] = []
            for place in itertools.product(*(range(len(sides[side])) for side in along)):
                single = all(count == 1 for count in self._counts[name])
                block = name if single else "_".join([name, *map(str, place)])
                self._grids[name].append((block, *(f"{side}_{index}" for side, index in zip(along, place, strict=True))))
                part = None if whole is None else _block(whole, [sides[side] for side in along], place)
                self.register_parameter(block, part)
        widths = {f"{side}_{index}": width for side, found in sides.items() for index, (width, _) in enumerate(found)}
        self.sides = {side: [width for width, _ in found] for side, found in sides.items()}
        self._position = {name: index for index, name in enumerate([*widths, *settings])}
        self.declare(**widths, **settings)

    def figure(self, name: str) -> Any:
        """One of the settings in force."""
        return self.chosen()[self._position[name]]

    def width(self, side: str) -> int:
        """Channels of a side under the settings in force."""
        return sum(self.figure(f"{side}_{index}") for index in range(len(self.sides[side])))

    def cuts(self, setting: Setting) -> dict[str, Cut]:
        """The first part of every block."""
        return {
            block: tuple(slice(0, setting[self._position[width]]) for width in widths)
            for blocks in self._grids.values()
            for block, *widths in blocks
        }

    def parts(self) -> tuple[torch.Tensor | None, ...]:
        """The parameters under the settings in force, their blocks joined."""
        blocks = iter(super().parts())
        return tuple(_joined([next(blocks) for _ in range(math.prod(counts))], counts) for counts in self._counts.values())

    def kept_in(self, name: str) -> list[nn.Parameter]:
        """The blocks of a parameter."""
        return [block for place, *_ in self._grids.get(name, ()) for block in super(SegmentedLayer, self).kept_in(place)]

    def in_force(self) -> dict[str, torch.Tensor | None]:
        """The joined parameters."""
        return dict(zip(self._grids, self.parts(), strict=True))

    def extra_repr(self) -> str:
        """The settings, symbolic where they are."""
        return ", ".join(f"{name}={value!r}" for name, value in self.settings.items())


def total(widths: Sequence[Value]) -> Value:
    """The sum of segments."""
    found: Value = widths[0]
    for width in widths[1:]:
        found = found + width
    return found


def require_arriving(x: SymbolicTensor, axis: int, expected: Value) -> None:
    """Raise NasError where other channels arrive than a layer expects.

    Sums over many choices are compared term by term; only what differs in form is tried out on architectures.
    """
    if linear_form(x.shape[axis]) != linear_form(expected):
        x.recorder.require_same((x.shape[axis],), (expected,), "the channels that arrive and those that the layer expects")


def linear_form(value: Value) -> dict[Any, int]:
    """A sum as its terms, each with the number it is multiplied by; the plain number stands under None."""
    if isinstance(value, Operation) and value.symbol == "+":
        found = linear_form(value.operands[0])
        for term, factor in linear_form(value.operands[1]).items():
            found[term] = found.get(term, 0) + factor
        return found
    if isinstance(value, Operation) and value.symbol == "*":
        left, right = map(linear_form, value.operands)
        if set(left) <= {None}:
            left, right = right, left
        if set(right) <= {None}:
            return {term: factor * right.get(None, 0) for term, factor in left.items() if right.get(None, 0)}
    if isinstance(value, Operation) and value.symbol == "//" and value.operands[1] == 1:
        return linear_form(value.operands[0])
    if isinstance(value, int):
        return {None: value} if value else {}
    return {value if isinstance(value, Choice) else (type(value), id(value)): 1}


def _block(whole: torch.Tensor, along: Sequence[Segments], place: Sequence[int]) -> nn.Parameter:
    cut = []
    for segments, index in zip(along, place, strict=True):
        start = sum(largest for _, largest in segments[:index])
        cut.append(slice(start, start + segments[index][1]))
    if all(len(segments) == 1 for segments in along):
        return whole if isinstance(whole, nn.Parameter) else nn.Parameter(whole)
    return nn.Parameter(whole.detach()[tuple(cut)].clone(), requires_grad=whole.requires_grad)


def _joined(blocks: list[torch.Tensor | None], counts: Sequence[int]) -> torch.Tensor | None:
    """A grid of blocks, the last dimension varying fastest, as one tensor."""
    found = [block for block in blocks if block is not None]
    if not found:
        return None
    for axis in reversed(range(len(counts))):
        count = counts[axis]
        if count > 1:
            found = [torch.cat(found[start : start + count], axis) for start in range(0, len(found), count)]
    return found[0]
