"""Many architectures of one space, each as a list of the blocks that it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from nas.choices import evaluate, free_choices
from nas.drawing.blocks import Block, blocks, module_classes
from nas.drawing.describe import macs, output_shape, parameters, settings, words
from nas.drawing.flow import Step
from nas.elastic import Walk
from nas.supernet import Space, Task

CANDIDATE = re.compile(r"(?:.*\.)?candidates\.\d+")
"""The path of one of the modules that a choice is between."""

Codes = Mapping[str, int]


@dataclass(frozen=True)
class Line:
    """One block that an architecture runs.

    Attributes:
        path: of its module, in short.
        kind: see `nas.drawing.Block`.
        said: its settings in words.
        output: shape of what leaves it, without the batch.
        macs, params: of this block.
    """

    path: str
    kind: str
    said: tuple[str, ...]
    output: tuple[int, ...]
    macs: int
    params: int


def outlines(space: Space, rows: np.ndarray, task: Task | None = None) -> list[list[Line]]:
    """The blocks of each architecture in order of execution.

    Where all networks are walked together a block is described once for each setting of the decisions that it reads, so that
    hundreds of architectures take little longer than one. A space that builds each network by itself walks each.

    Args:
        rows: (N, D) canonical option indices.
        task: the space's own by default.
    """
    task = task or space.task
    names = space.decisions.names
    if space.separate:
        none = dict.fromkeys(names, 0)
        return [_Outliner(space.walk_of(row, task), module_classes(space, task, row)).lines(none) for row in rows]
    outliner = _Outliner(space.walk(task), module_classes(space, task))
    return [outliner.lines(dict(zip(names, row, strict=True))) for row in rows.tolist()]


class _Outliner:
    """Describes the blocks of one walk."""

    def __init__(self, walk: Walk, classes: Mapping[str, type[nn.Module]]) -> None:
        self.walk, self.classes = walk, classes
        self.blocks = blocks(walk, classes)
        self.read = [_choices_of(block, walk) for block in self.blocks]
        self.known: list[dict[tuple[int, ...], Line | None]] = [{} for _ in self.blocks]

    def lines(self, codes: Codes) -> list[Line]:
        """Those of an architecture."""
        found = []
        for place, block in enumerate(self.blocks):
            key = tuple(codes[name] for name in self.read[place])
            if key not in self.known[place]:
                self.known[place][key] = self._line(block, codes)
            line = self.known[place][key]
            if line is not None:
                found.append(line)
        return found

    def _line(self, block: Block, codes: Codes) -> Line | None:
        """What a block is in an architecture; None where it is not run."""
        run = [index for index, step in enumerate(block.steps) if bool(evaluate(step.operator.guard, codes))]
        if not run:
            return None
        steps = tuple(block.steps[index] for index in run)
        units = [step.operator.units[0] for step in steps if step.operator.units]
        one = len(set(units)) == 1 and 2 * len(units) >= len(steps)
        unit = self.walk.units[units[0]].unit if one else None
        kind = block.kind if unit is None else unit.kind
        if " | " in kind:
            kind = self._chosen(steps) or kind
        part = replace(block, kind=kind, steps=steps, indices=tuple(block.indices[index] for index in run), unit=unit)
        said = tuple(words(settings(part, codes)))
        return Line(part.path, kind, said, output_shape(part, codes), macs(part, codes), parameters(part, codes))

    def _chosen(self, steps: Sequence[Step]) -> str | None:
        """The class of the candidate that is run; None where there is none above the operators."""
        for step in steps:
            match = CANDIDATE.match(step.operator.path)
            if match is not None and match[0] in self.classes:
                return self.classes[match[0]].__name__
        return None


def _choices_of(block: Block, walk: Walk) -> tuple[str, ...]:
    """The decisions that anything said of a block depends on."""
    units = {index: walk.units[index].unit for step in block.steps for index in step.operator.units}
    values = [value for unit in units.values() for value in unit.attributes.values() if not isinstance(value, str)]
    for step in block.steps:
        operator = step.operator
        values += [operator.guard, operator.parameters, *operator.output.shape, *operator.attributes.values()]
        for tensor in operator.inputs:
            values += tensor.shape
    return tuple(choice.name for choice in free_choices(*values))
