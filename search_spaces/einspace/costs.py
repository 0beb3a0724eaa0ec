"""Costs of trees: multiply-adds, parameters and activation memory for integer rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Rows
from nas.costs.memory_model import BYTES_PER_ELEMENT
from nas.supernet import Task
from search_spaces.einspace.program import VIEWS, Program

IN_PLACE = frozenset({"add", "batch_norm", "layer_norm", "leaky_relu", "position", "scale", "softmax"})
"""Steps that may write over their first input."""


def peak_memory(program: Program) -> int:
    """Bytes of activations held at the worst moment, for one image, by the model of `nas.costs.memory`.

    A tensor under several names is held once, and whole for as long as any part of it is read.
    """
    shapes = [program.input_shape, *(step.shape for step in program.steps)]
    last_read = [-1] * len(shapes)
    storage = [0]
    for position, step in enumerate(program.steps):
        storage.append(storage[step.inputs[0]] if step.name in VIEWS else position + 1)
        for value in step.inputs:
            last_read[value] = position
    peak = 0
    alive = {0}
    for position, step in enumerate(program.steps):
        later = {value for value in alive if last_read[value] > position}
        if step.name not in VIEWS:
            total = _held(later.union(step.inputs), storage, shapes)
            first = step.inputs[0]
            overwritten = step.name in IN_PLACE and shapes[first] == step.shape
            if not overwritten or any(storage[value] == storage[first] for value in later):
                total += math.prod(step.shape)
            peak = max(peak, total)
        alive = {*later, position + 1}
    return peak * BYTES_PER_ELEMENT


def _held(values: set[int], storage: Sequence[int], shapes: Sequence[tuple[int, ...]]) -> int:
    """Numbers in the tensors of these names."""
    return sum(math.prod(shapes[index]) for index in {storage[value] for value in values})


METRICS: dict[str, Callable[[Program], int]] = {
    "macs": lambda program: program.macs,
    "params": lambda program: program.parameters,
    "memory": peak_memory,
}


@dataclass(frozen=True)
class TreeCost:
    """A cost of every tree: rows (N, D) -> (N,).

    Attributes:
        figure: the cost of one row, given as bytes.
        least: no tree costs less.
    """

    figure: Callable[[bytes], float]
    least: float

    def __call__(self, rows: Rows) -> npt.NDArray[np.float64]:
        """The cost of each row."""
        return np.array([self.figure(row.tobytes()) for row in np.ascontiguousarray(rows)], dtype=np.float64)

    def minimum(self) -> float:
        """A cost that no tree is below; it is that of a network which hands one number to the classifier."""
        return self.least


def least_cost(metric: str, task: Task) -> float:
    """The cost of the head where a single number reaches it; no activation memory is below the images'."""
    if metric == "macs":
        return float(task.classes)
    if metric == "params":
        return float(2 * task.classes)
    return float(BYTES_PER_ELEMENT * math.prod(task.input_shape))
