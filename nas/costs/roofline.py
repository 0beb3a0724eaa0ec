"""How fast the layers of a network can be on a machine: the roofline model (Williams et al., Roofline, 2009).

A layer's operational intensity is its operations over the bytes that it moves: inputs, output and weights, each once. Where
it is below the machine's ridge point (peak throughput over bandwidth), moving bytes takes longer than computing. An operation
is a multiplication or an addition: a multiply-add is two. Norms and activations are folded into the layer that they follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nas.choices import Value, evaluate
from nas.costs.counts import FREE, MACS
from nas.elastic import Walk

FOLDED = frozenset({"activation", "batch_norm"})
"""Kinds that are part of the layer whose output they alone read."""

VIEWS = frozenset({"reshape", "slice"})
"""Kinds that give a tensor another name."""


@dataclass(frozen=True)
class Machine:
    """What a machine can do at best.

    Attributes:
        name: what it is, and where the figures are from.
        operations: a second.
        bandwidth: bytes a second, from and to memory.
    """

    name: str
    operations: float
    bandwidth: float

    @property
    def ridge(self) -> float:
        """Operations a byte from which on computing takes longer than moving."""
        return self.operations / self.bandwidth


@dataclass
class Work:
    """What one layer, or several that keep what passes between them on the chip, do for one image.

    Attributes:
        operations: two for each multiply-add.
        reads: bytes of each tensor that is read, by the tensor's number.
        writes: bytes of each tensor that is written.
        weights: bytes.
    """

    path: str
    kind: str
    operations: int
    reads: dict[int, int]
    writes: dict[int, int]
    weights: int
    steps: list[int] = field(default_factory=list)

    @property
    def traffic(self) -> int:
        """Bytes from and to memory."""
        return sum(self.reads.values()) + sum(self.writes.values()) + self.weights

    @property
    def intensity(self) -> float:
        """Operations a byte."""
        return self.operations / self.traffic

    def seconds(self, machine: Machine) -> float:
        """The least time: of computing or of moving, whichever is longer."""
        return max(self.operations / machine.operations, self.traffic / machine.bandwidth)

    def attainable(self, machine: Machine) -> float:
        """The share of the peak throughput that the layer can reach."""
        return min(1.0, self.intensity / machine.ridge)


def works(walk: Walk, codes: Mapping[str, int], bytes_per_element: int = 4) -> list[Work]:
    """The layers that an architecture runs, in order; what only moves data, such as a sum, is a layer without operations.

    Args:
        codes: option index of every decision.
        bytes_per_element: of activations and weights.
    """
    names: dict[int, int] = {}
    makers: dict[int, Work] = {}
    readers: dict[int, int] = {}
    found: list[Work] = []
    run = [(step, operator) for step, operator in enumerate(walk.operators) if bool(evaluate(operator.guard, codes))]
    for _, operator in run:
        for tensor in operator.inputs:
            readers[tensor.index] = readers.get(tensor.index, 0) + 1
    for step, operator in run:
        inputs, output = [tensor.index for tensor in operator.inputs], operator.output.index
        if operator.kind == "fork":
            inputs = [inputs[0 if bool(evaluate(operator.attributes["condition"], codes)) else 1]]
        sources = [names.get(index, index) for index in inputs]
        if operator.kind == "fork" or operator.kind in VIEWS:
            names[output] = sources[0]
            continue
        written = _elements(operator.output.shape, codes) * bytes_per_element
        weights = int(evaluate(operator.parameters, codes)) * bytes_per_element
        maker = makers.get(sources[0])
        if operator.kind in FOLDED and maker is not None and maker.operations and readers[inputs[0]] == 1:
            # A norm leaves one number a channel with the layer; what is between the two is never in memory.
            maker.writes = {output: written}
            maker.weights += weights // 2 if operator.kind == "batch_norm" else weights
            maker.steps.append(step)
            makers[output] = maker
            continue
        sizes = [_elements(tensor.shape, codes) * bytes_per_element for tensor in operator.inputs]
        macs = 0 if operator.kind in FREE else int(evaluate(MACS[operator.kind](operator), codes))
        reads = dict(zip(sources, sizes, strict=True))
        made = Work(operator.path, operator.kind, 2 * macs, reads, {output: written}, weights, [step])
        makers[output] = made
        found.append(made)
    return found


def _elements(shape: Iterable[Value], codes: Mapping[str, int]) -> int:
    total = 1
    for size in shape:
        total *= int(evaluate(size, codes))
    return total


def joined(layers: Sequence[Work], inside: Iterable[Iterable[int]]) -> list[Work]:
    """Layers as blocks that keep what passes between their layers on the chip.

    Args:
        inside: for each block the steps of the walk that it holds; a layer of none stays by itself.
    """
    homes = {step: place for place, steps in enumerate(inside) for step in steps}
    groups: dict[object, list[Work]] = {}
    for number, layer in enumerate(layers):
        groups.setdefault(homes.get(layer.steps[0], ("alone", number)), []).append(layer)
    found = []
    for members in groups.values():
        made = {tensor for member in members for tensor in member.writes}
        outside = {tensor for layer in layers if layer not in members for tensor in layer.reads}
        read = {tensor: size for member in members for tensor, size in member.reads.items() if tensor not in made}
        everything = {tensor: size for member in members for tensor, size in member.writes.items()}
        last = set(members[-1].writes)
        written = {tensor: size for tensor, size in everything.items() if tensor in outside or tensor in last}
        operations, weights = (sum(values) for values in zip(*((m.operations, m.weights) for m in members), strict=True))
        steps = [step for member in members for step in member.steps]
        found.append(Work(members[0].path, "block", operations, read, written, weights, steps))
    return found


def least_seconds(layers: Iterable[Work], machine: Machine) -> float:
    """The least time of layers that run one after the other."""
    return sum(layer.seconds(machine) for layer in layers)


def waterline(layers: Sequence[Work], machine: Machine) -> float:
    """The share of the peak throughput that a network can reach: the ideal time over the least time of its layers.

    Without layers that only move data it is the harmonic mean of their attainable efficiencies, weighted with their shares of
    the operations.
    """
    return sum(layer.operations for layer in layers) / machine.operations / least_seconds(layers, machine)
