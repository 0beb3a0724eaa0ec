"""Blocks of a network: their order, their decisions, what they return, and the paths that are legal in them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from nas.choices import Choice
from nas.elastic import ElasticBatchNorm2d, ElasticConv2d, ElasticLinear, OperatorChoice
from nas.supernet import NotDivisible, Space, Task, open_space
from search_spaces.hytra.fabric import Fabric
from search_spaces.hytra.network import HytraNetwork
from search_spaces.hytra.paths import BLOCK, count_paths, paths


class Chain(nn.Module):
    """Two blocks; the width of the first is read by the second as well, and by a head if there is one."""

    def __init__(self, task: Task, head: bool) -> None:
        super().__init__()
        width = Choice("width", (4, 6))
        self.stem = ElasticConv2d(1, width, 3, 2)
        self.first = OperatorChoice(
            Choice("first", ("a", "b")), {"a": ElasticConv2d(width, width, 3), "b": ElasticConv2d(width, width)}
        )
        self.second = nn.Sequential(ElasticConv2d(width, 8, Choice("kernel", (1, 3)), 2), ElasticBatchNorm2d(8))
        last = Choice("last", (4, 8)) if head else 8
        self.head = ElasticConv2d(8, last)
        self.classifier = ElasticLinear(last, task.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.second(self.first(self.stem(images)))
        return self.classifier(self.head(x).mean((2, 3)))  # type: ignore[no-any-return]

    def block_sequence(self) -> list[nn.Module]:
        return [nn.Sequential(self.stem, self.first), self.second]


def chain(head: bool = False) -> Space:
    return Space("chain", lambda task: Chain(task, head), task=Task(1, 16, 4))


def test_a_decision_belongs_to_the_first_block_that_reads_it() -> None:
    space = chain()
    blocks = space.blocks(space.build(space.task), space.task)
    names = [[space.decisions.names[column] for column in columns] for columns in blocks.columns]
    assert names == [["width", "first"], ["kernel"]]
    assert blocks.outputs == (((6, 8, 8), (4, 8, 8)), ((8, 4, 4),))


def test_a_decision_outside_of_the_blocks_and_a_network_without_blocks_are_refused() -> None:
    assert chain().indivisible is None
    assert "decision 'last'" in str(chain(head=True).indivisible)
    space = open_space("cells:nas-bench-201")
    assert "block_sequence" in str(space.indivisible)
    with pytest.raises(NotDivisible):
        space.blocks(space.build(space.task), space.task)


def test_combined_rows_change_a_block_alone() -> None:
    space = chain()
    blocks = space.blocks(space.build(space.task), space.task)
    row = space.decisions.largest()[0]
    rows = blocks.combined(1, row, np.array([[0], [1]]))
    kernel = space.decisions.column["kernel"]
    assert rows[:, kernel].tolist() == [0, 1]
    assert (np.delete(rows, kernel, 1) == np.delete(row, kernel)).all()
    assert blocks.path(1, rows[0]) == (0,)
    assert blocks.path(0, rows[0]) == blocks.path(0, row)


@pytest.mark.parametrize("name", ["hytra:bossnas", "mbconv:bossnas", "mbconv:single-path", "cells:nats-size"])
def test_the_blocks_are_the_network_s_own_forward_up_to_its_head(name: str) -> None:
    """What arrives at the module behind the last block is what the blocks return, one after the other."""
    space = open_space(name)
    supernet = space.supernet(3, 32, 10)
    behind = {"hytra": "classifier", "mbconv": "head", "cells": "norm"}[name.partition(":")[0]]
    behind = "last" if name in ("mbconv:bossnas", "mbconv:single-path") else behind
    arrived: list[torch.Tensor] = []
    module = supernet.network.get_submodule(behind)
    hook = module.register_forward_pre_hook(lambda _, given: arrived.append(given[0]))
    images = torch.randn(4, 3, 32, 32)
    blocks = space.blocks(supernet.network, supernet.task)
    for row in space.decisions.sample(np.random.default_rng(0), 3):
        supernet.activate(row)
        supernet.train()
        supernet(images)
        x = images
        for block, outputs in zip(blocks.modules, blocks.outputs, strict=True):
            x = block(x)
            assert tuple(x.shape[1:]) in outputs
        expected = x.mean((2, 3)) if arrived[-1].dim() == 2 else x
        assert torch.equal(expected, arrived[-1])
    hook.remove()


def test_paths_of_the_fabric_are_read_back_from_their_decisions() -> None:
    fabric = Fabric.of(3)
    every = list(paths(3, (3, 2, 1, 0)))
    assert [fabric.path(fabric.decisions(path)) for path in every] == every


def test_hytra_lists_the_restricted_table_behind_what_was_chosen() -> None:
    """51 paths for the first block; later ones never move up, and no layer halves the map twice."""
    space = open_space("hytra:bossnas")
    network = space.build(Task(3, 32, 10))
    assert isinstance(network, HytraNetwork)
    blocks = space.blocks(network, Task(3, 32, 10))
    start = space.decisions.smallest()[0]
    first = blocks.listed(0, start)
    assert first is not None
    chosen = [network.fabric.path(architecture)[:BLOCK] for architecture in space.decode(first)]
    assert len(set(chosen)) == len(first) == 51
    counts = {}
    for scale in (3, 2, 1, 0):
        place = next(place for place, path in enumerate(chosen) if path[-1][0] == scale)
        second = blocks.listed(1, first[place])
        assert second is not None
        counts[scale] = len(second)
        for architecture in space.decode(second):
            path = network.fabric.path(architecture)
            assert path[:BLOCK] == chosen[place]
            assert all(0 <= above - below <= 1 for (above, _), (below, _) in pairwise(path))
    assert counts == {3: count_paths(4, (2,)), 2: 99, 1: 80, 0: 16}
    deepest = blocks.listed(3, start)
    assert deepest is not None
    assert len(deepest) == 16
