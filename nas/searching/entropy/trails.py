"""The main path of a network: which convolutions a map passes on its way, shortcuts and gates left aside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from nas.base.errors import NasError
from nas.choices import Value
from nas.elastic import Operator, Walk

PASSING = frozenset({"activation", "batch_norm", "copy", "group_norm", "pad", "reshape", "resize", "slice"})
"""Kinds that leave the path as it is."""

TRANSFORMERS = frozenset({"attention", "layer_norm", "matmul"})


class NotChain(NasError):
    """A network is no chain of convolutional blocks; the text says why."""


@dataclass(frozen=True)
class Step:
    """A convolution of the main path, or a pool that makes the map smaller.

    Attributes:
        operator: of the walk.
        level: how many times the map was made smaller until behind it.
    """

    operator: Operator
    level: int

    @property
    def convolves(self) -> bool:
        """Whether it is a convolution."""
        return self.operator.kind == "conv2d"


@dataclass(frozen=True)
class _Trail:
    """The steps behind a tensor, the last one first, as a list that trails share where they come from one tensor."""

    before: _Trail | None = None
    step: Step | None = None
    length: int = 0

    @property
    def level(self) -> int:
        return self.step.level if self.step else 0

    def then(self, step: Step) -> _Trail:
        return _Trail(self, step, self.length + 1)


@dataclass(frozen=True)
class _Place:
    """Where a tensor is: behind a trail, and whether it holds means over the map, which only weigh channels or classify."""

    trail: _Trail
    map: tuple[Value, ...]
    mean: bool = False


def main_path(walk: Walk) -> tuple[list[Step], tuple[Value, ...]]:
    """The steps from the image to the mean over the map, and the shape (1, C, H, W) of that map.

    Of a block and its shortcut the block is followed. Of alternatives all are listed, one behind the other; their guards
    exclude each other.

    Raises:
        NotChain: the network is no chain.
    """
    for operator in walk.operators:
        if operator.kind in TRANSFORMERS:
            raise NotChain(f"its networks hold attention or layer norms ({operator.path}), for which there is no formula")
    places: dict[int, _Place] = {}
    last = _Place(_Trail(), ())
    for operator in walk.operators:
        came = [places.setdefault(tensor.index, _Place(_Trail(), tensor.shape)) for tensor in operator.inputs]
        last = places[operator.output.index] = _behind(operator, came)
    if not last.mean:
        raise NotChain("its networks do not end with the mean over a map and a classifier")
    return list(_steps(last.trail, None)), last.map


def _behind(operator: Operator, came: list[_Place]) -> _Place:
    """The place of an operator's output."""
    if operator.kind == "concatenation":
        raise NotChain(f"its networks join maps by concatenation ({operator.path}), for which there is no formula")
    place, shape = came[0], operator.output.shape
    if operator.kind == "fork":
        return _alternatives(operator, came)
    if len(came) > 1:
        return _joined(operator, came)
    if place.mean or operator.kind in (*PASSING, "elementwise"):
        return place if place.mean else replace(place, map=shape)
    if operator.kind == "pool":
        if len(shape) != 4 or all(isinstance(side, int) and side == 1 for side in shape[2:]):
            return replace(place, mean=True)
        return _Place(_stepped(operator, place.trail), shape)
    if operator.kind == "conv2d":
        return _Place(_stepped(operator, place.trail), shape)
    raise NotChain(f"its networks hold an operator of kind '{operator.kind}' ({operator.path}), for which there is no formula")


def _stepped(operator: Operator, trail: _Trail) -> _Trail:
    stride = operator.attributes.get("stride", 1)
    smaller = isinstance(stride, int) and stride > 1
    if operator.kind == "pool" and not smaller:
        return trail
    return trail.then(Step(operator, trail.level + smaller))


def _alternatives(operator: Operator, came: list[_Place]) -> _Place:
    """Behind a fork: the trails of both branches, one behind the other."""
    first, second = came
    if first.mean or second.mean:
        return first
    start = _common(first.trail, second.trail)
    if first.trail.level != second.trail.level:
        raise NotChain(f"where its networks make the map smaller is searched ({operator.path}), and stages are not fixed then")
    trail = second.trail
    for step in _steps(first.trail, start):
        trail = trail.then(step)
    return _Place(trail, operator.output.shape)


def _joined(operator: Operator, came: list[_Place]) -> _Place:
    """Behind a sum or a product: the main path, of which the other inputs are shortcuts or gates."""
    maps = [place for place in came if not place.mean]
    if not maps:
        return came[0]
    main = maps[0]
    for other in maps[1:]:
        start = _common(main.trail, other.trail)
        first, second = list(_steps(main.trail, start)), list(_steps(other.trail, start))
        if _around(second, first):
            continue
        if not _around(first, second):
            raise NotChain(
                f"its networks add branches that both convolve ({operator.path}): they are graphs, and the formula is for "
                "chains of blocks"
            )
        main = other
    return replace(main, map=operator.output.shape)


def _around(short: list[Step], block: list[Step]) -> bool:
    """Whether the one branch is a shortcut around the other: without convolutions, or with a projection around several."""
    projections = [step for step in short if step.convolves]
    convolutions = sum(step.convolves for step in block)
    if not projections:
        return True
    return len(projections) == 1 and _is_pointwise(projections[0].operator) and convolutions > 1


def _is_pointwise(operator: Operator) -> bool:
    return all(
        isinstance(side, int) and side == 1 for side in (operator.attributes["kernel_h"], operator.attributes["kernel_w"])
    )


def _common(first: _Trail, second: _Trail) -> _Trail:
    """The longest trail that both have behind them."""
    while first is not second:
        if first.length < second.length:
            first, second = second, first
        assert first.before is not None
        first = first.before
    return first


def _steps(trail: _Trail, start: _Trail | None) -> Iterator[Step]:
    """The steps of a trail from behind `start` on, in order."""
    found = []
    at: _Trail | None = trail
    while at is not None and at is not start:
        if at.step is not None:
            found.append(at.step)
        at = at.before
    yield from reversed(found)
