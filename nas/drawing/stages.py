"""A whole space as rows of a table: its blocks with all options, equal blocks in a row joined."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.base.seeds import generator
from nas.choices import Choice, Value, assignments, evaluate, free_choices
from nas.drawing.blocks import Block, blocks, module_classes
from nas.drawing.describe import conditions, decisions, is_said, macs, parameters, symbolic_settings
from nas.drawing.network import joined
from nas.elastic import Operator
from nas.supernet import Space

SAMPLED = 512
"""Random architectures, besides the smallest and the largest, over which the range of a shape is taken."""

LISTED = 65_536
"""A setting that depends on more joint options than this is listed as it is in the sampled architectures."""

Codes = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Stage:
    """Equal blocks in a row.

    Attributes:
        path: of its modules, in short.
        kind: see `nas.drawing.Block`; candidates of a choice with '|' between them.
        blocks: how many at most.
        settings: name -> values that it may have.
        decisions: name -> options of the choices that are met here first.
        output: the least and the most of each size, without the batch.
        macs, params: in the largest network.
    """

    path: str
    kind: str
    blocks: int
    settings: dict[str, list[Any]]
    decisions: dict[str, list[Any]]
    output: list[tuple[int, int]]
    macs: int
    params: int


@dataclass(frozen=True)
class _Row:
    """One block, before equal ones are joined; `guards` are choices on which several blocks depend, such as a depth."""

    path: str
    kind: str
    settings: dict[str, list[Any]]
    choices: tuple[Choice, ...]
    guards: tuple[Choice, ...]
    output: list[tuple[int, int]]
    macs: int
    params: int

    def like(self, other: _Row) -> bool:
        """Whether two blocks of one list differ at most in place, counts and the numbers in their decisions' names."""
        return self._signature() == other._signature()

    def _signature(self) -> tuple[Any, ...]:
        names = [(_pattern(choice.name), choice.options) for choice in self.choices]
        return self.path.rpartition(".")[0], self.kind, self.settings, self.output, names


def stages(space: Space) -> list[Stage]:
    """The stages of every network of a space at its own task, in order of execution."""
    found = blocks(space.walk(), module_classes(space, space.task))
    rows = np.concatenate(
        [space.decisions.sample(generator(0, "stages"), SAMPLED), space.encode([space.smallest, space.largest])]
    )
    codes = {name: rows[:, column].astype(np.int64) for column, name in enumerate(space.decisions.names)}
    guarding = Counter(choice.name for block in found for choice in conditions(block))
    told: set[str] = set()
    groups: list[list[_Row]] = []
    for block in found:
        row = _row(block, codes, {name for name, count in guarding.items() if count > 1}, told)
        told |= {choice.name for choice in row.choices}
        if groups and row.like(groups[-1][-1]):
            groups[-1].append(row)
        else:
            groups.append([row])
    return list(_stages(groups))


def _stages(groups: Sequence[Sequence[_Row]]) -> Iterator[Stage]:
    told: set[str] = set()
    for group in groups:
        own = dict.fromkeys([*(c for row in group for c in row.guards), *(c for row in group for c in row.choices)])
        fresh = [choice for choice in own if choice.name not in told]
        told |= {choice.name for choice in fresh}
        first = group[0]
        yield Stage(
            joined([row.path for row in group]) or "-",
            first.kind,
            len(group),
            first.settings,
            _by_pattern(fresh),
            first.output,
            sum(row.macs for row in group),
            sum(row.params for row in group),
        )


def _row(block: Block, codes: Codes, shared: set[str], told: set[str]) -> _Row:
    largest = {name: int(column[-1]) for name, column in codes.items()}
    guards = conditions(block)
    own = dict.fromkeys([*decisions(block), *(choice for choice in guards if choice.name not in shared)])
    settings = {name: _options(values, codes) for name, values in symbolic_settings(block).items()}
    kernels = settings.get("kernel", [])
    if block.unit is None and len(kernels) > 1:
        settings["kernel"] = [side for side in kernels if side != 1]
    return _Row(
        block.path,
        block.kind,
        {name: values for name, values in settings.items() if len(values) != 1 or is_said(name, values[0])},
        tuple(choice for choice in own if choice.name not in told and choice.name not in shared),
        tuple(choice for choice in guards if choice.name in shared),
        _ranges(block, codes),
        macs(block, largest),
        parameters(block, largest),
    )


def _options(values: Sequence[Value | str], codes: Codes) -> list[Any]:
    found: set[Any] = set()
    for value in values:
        if isinstance(value, str):
            found.add(value)
            continue
        choices = free_choices(value)
        few = math.prod(len(choice.options) for choice in choices) <= LISTED
        found.update(np.unique(evaluate(value, assignments(choices) if few else codes)).tolist())
    return sorted(found, key=lambda option: (isinstance(option, str), option))


def _ranges(block: Block, codes: Codes) -> list[tuple[int, int]]:
    """The least and the most of each size of what leaves the block, whichever candidate it comes from."""
    read = {source for step in block.steps for tensor in step.sources for source in tensor}
    last = block.steps[-1].operator
    leaving = [step.operator for index, step in zip(block.indices, block.steps, strict=True) if index not in read]
    alike = [operator for operator in leaving if len(operator.output.shape) == len(last.output.shape)] or [last]
    found = [[_range(size, operator, codes) for size in operator.output.shape[1:]] for operator in alike]
    return [(min(least for least, _ in sizes), max(most for _, most in sizes)) for sizes in zip(*found, strict=True)]


def _range(size: Value, operator: Operator, codes: Codes) -> tuple[int, int]:
    """Over the sampled architectures in which the operator is run; over all of them where it never is."""
    count = len(next(iter(codes.values())))
    sizes = np.broadcast_to(evaluate(size, codes), count)
    used = np.broadcast_to(np.asarray(evaluate(operator.guard, codes), dtype=bool), count)
    sizes = sizes[used] if used.any() else sizes
    return int(sizes.min()), int(sizes.max())


def _by_pattern(choices: Sequence[Choice]) -> dict[str, list[Any]]:
    """Name -> options; choices that differ in the numbers of their names stand together: 'layer2-4'."""
    groups: dict[tuple[str, tuple[Any, ...]], list[str]] = {}
    for choice in choices:
        groups.setdefault((_pattern(choice.name), choice.options), []).append(choice.name)
    return {_together(names): list(options) for (_, options), names in groups.items()}


def _pattern(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _together(names: Sequence[str]) -> str:
    """'stage1.block2-4.kernel' for the kernels of blocks 2, 3 and 4; a list of names where several numbers differ."""
    numbers = [re.findall(r"\d+", name) for name in names]
    differing = [place for place in range(len(numbers[0])) if len({row[place] for row in numbers}) > 1]
    if len(names) == 1 or len(differing) != 1:
        return ", ".join(names)
    values = [int(row[differing[0]]) for row in numbers]
    consecutive = values == list(range(values[0], values[0] + len(values)))
    text = f"{values[0]}-{values[-1]}" if consecutive else ",".join(map(str, values))
    places = iter(range(len(numbers[0])))
    return re.sub(r"\d+", lambda match: text if next(places) == differing[0] else match[0], names[0])
