"""The distinct operators and units that the networks of a space can need, each as a plain torch module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from torch import nn

from nas.architectures.decisions import Rows
from nas.costs.places import Place, grid, places
from nas.elastic import ElasticLayer
from nas.measuring.operators import Bare, bare_operator
from nas.supernet import Space, Supernet, Task
from nas.supernet.extract import extract

OWNERS = frozenset({"batch_norm", "conv2d", "group_norm", "layer_norm", "linear"})
"""Kinds that a layer stands for, even where it runs other operators beside."""


@dataclass(frozen=True)
class Block:
    """One entry that a table of the space needs.

    Attributes:
        key: see `nas.costs.operator_key`.
        places: how many places of the network need it, over all architectures.
        input, output: shapes without the batch.
    """

    key: str
    places: int
    input: tuple[int, ...]
    output: tuple[int, ...]
    _place: Place
    _row: np.ndarray

    @property
    def kind(self) -> str:
        """Of the unit or operator."""
        return self.key.split(" ", 1)[0]


class Blocks:
    """All of them.

    Args:
        space: with shared weights.
        task: what its networks are measured at.
    """

    def __init__(self, space: Space, task: Task) -> None:
        self.space, self.task = space, task
        found: dict[str, Block] = {}
        self._places = tuple(places(space.walk(task), None))
        self._choices = space.decisions.choices
        for place in self._places:
            for block in self._of(place):
                known = found.get(block.key)
                found[block.key] = block if known is None else replace(known, places=known.places + 1)
        self.all = tuple(found.values())

    def counts(self, rows: Rows) -> npt.NDArray[np.int64]:
        """How often each block is in each network, (N, blocks) for rows (N, D)."""
        codes = {choice.name: rows[:, self.space.decisions.column[choice.name]].astype(np.int64) for choice in self._choices}
        numbers = {block.key: number for number, block in enumerate(self.all)}
        found = np.zeros((len(rows), len(self.all)), np.int64)
        for place in self._places:
            keys, index = place.keys(codes, len(rows))
            run = np.flatnonzero(index >= 0)
            columns = np.array([numbers[key] for key in keys], np.int64)
            found[run, columns[index[run]]] += 1
        return found

    def shapes(self, block: Block) -> list[tuple[int, ...]]:
        """Of a block's inputs, without the batch. Raises NasError for an operator that cannot be run by itself."""
        bare = self._bare(block)
        return [block.input] if bare is None else list(bare.shapes)

    def module(self, block: Block) -> nn.Module:
        """The block as plain torch, in evaluation mode, with fresh weights. Raises NasError as `shapes` does."""
        bare = self._bare(block)
        if bare is not None:
            return bare.eval()
        self.supernet.activate(block._row)
        found = self.supernet.network.get_submodule(block._place.path)
        return extract(found if block._place.operator is None else nn.Sequential(found)).eval()

    @cached_property
    def supernet(self) -> Supernet:
        """With fresh weights, in evaluation mode."""
        return self.space.supernet(self.task.channels, self.task.resolution, self.task.classes).eval()

    @cached_property
    def _operators(self) -> Counter[str]:
        """How many operators each module runs."""
        return Counter(operator.path for operator in self.space.walk(self.task).operators)

    def _bare(self, block: Block) -> Bare | None:
        """The operator by itself, or None where a unit or a layer stands for it."""
        place = block._place
        if place.operator is None:
            return None
        found = self.supernet.network.get_submodule(place.path)
        layer = isinstance(found, ElasticLayer) or (
            type(found).__module__.startswith("torch.nn") and not list(found.children())
        )
        if layer and (place.kind in OWNERS or self._operators[place.path] == 1):
            return None
        codes = {choice.name: int(block._row[self.space.decisions.column[choice.name]]) for choice in place.choices}
        return bare_operator(place.kind, block.input, block.output, place.attributes_at(codes))

    def _of(self, place: Place) -> Iterator[Block]:
        codes, count = grid(place.choices)
        keys, index = place.keys(codes, count)
        for number, key in enumerate(keys):
            at = int(np.argmax(index == number))
            row = np.zeros(len(self.space.decisions), np.uint8)
            here = {name: int(column[at]) for name, column in codes.items()}
            for name, code in here.items():
                row[self.space.decisions.column[name]] = code
            yield Block(key, 1, place.shape_at(place.input, here), place.shape_at(place.output, here), place, row)
