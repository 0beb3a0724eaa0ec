"""The operators of a space, one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.base.errors import NasError
from nas.costs import required_keys
from nas.measuring.blocks import Blocks
from nas.measuring.operators import bare_operator
from nas.supernet import Task, open_space

SMALL = {
    "mbconv:single-path": Task(3, 32, 10),
    "cells:nas-bench-201": Task(3, 16, 10),
    "vit:autoformer-t": Task(3, 32, 10),
    "hytra:bossnas": Task(3, 64, 10),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if "hytra" in name else ()) for name in SMALL])
def test_every_operator_is_made_once_and_has_the_shapes_of_its_key(name: str) -> None:
    space, task = open_space(name), SMALL[name]
    blocks = Blocks(space, task)
    assert [block.key for block in blocks.all] == list(required_keys(space.walk(task)))
    for block in blocks.all:
        inputs = [torch.randn(2, *shape) for shape in blocks.shapes(block)]
        assert tuple(inputs[0].shape[1:]) == block.input
        assert f" {'x'.join(map(str, block.input))}->{'x'.join(map(str, block.output))}" in block.key
        with torch.no_grad():
            assert tuple(blocks.module(block)(*inputs).shape) == (2, *block.output)


@pytest.mark.parametrize("name", SMALL)
def test_counts_add_up_what_a_network_runs(name: str) -> None:
    """Multiply-adds of the blocks' modules, as often as they are counted, are those of the network."""
    space, task = open_space(name), SMALL[name]
    blocks = Blocks(space, task)
    rows = space.decisions.sample(np.random.default_rng(0), 4)
    counts = blocks.counts(rows)
    assert len(np.unique(counts, axis=0)) > 1
    parameters = [sum(weight.numel() for weight in blocks.module(block).parameters()) for block in blocks.all]
    found = counts @ np.array(parameters)
    for row, total in zip(rows, found, strict=True):
        network = blocks.supernet.extract(row)
        own = sum(weight.numel() for weight in network.parameters())
        # Tokens and positions belong to the network itself and not to an operator of it.
        loose = sum(weight.numel() for name, weight in network.named_parameters() if "token" in name or "position" in name)
        assert total == own - loose if name.startswith("vit") else total == own


def test_a_block_computes_what_it_computes_in_the_network() -> None:
    space, task = open_space("vit:autoformer-t"), SMALL["vit:autoformer-t"]
    blocks = Blocks(space, task)
    block = next(block for block in blocks.all if block.kind == "transformer" and "heads=4" in block.key)
    module = blocks.module(block)
    inside = blocks.supernet.network.get_submodule(block._place.path)
    x = torch.randn(2, *block.input)
    with torch.no_grad():
        expected = inside(x)
        assert expected.std() > 0
        assert (expected - x).std() > 0
        torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize(
    ("kind", "first", "output", "attributes"),
    [
        ("elementwise", (3, 8, 8), (3, 8, 8), {}),
        ("concatenation", (4, 8, 8), (12, 8, 8), {}),
        ("pool", (4, 8, 8), (4, 4, 4), {"kernel": 2, "stride": 2}),
        ("pool", (4, 8, 8), (4, 8, 8), {"kernel": 3, "stride": 1}),
        ("pool", (4, 8, 8), (4,), {}),
        ("pool", (4, 8, 8), (4, 1, 1), {}),
        ("pool", (7, 16), (16,), {}),
        ("pad", (3, 9, 10), (3, 10, 10), {}),
        ("resize", (3, 8, 8), (3, 12, 12), {}),
        ("matmul", (2, 5, 8), (2, 5, 7), {"inner": 8}),
        ("attention", (2, 5, 8), (2, 5, 8), {}),
        ("activation", (5, 8), (5, 8), {}),
        ("copy", (5, 8), (5, 8), {}),
    ],
)
def test_operators_by_themselves(
    kind: str, first: tuple[int, ...], output: tuple[int, ...], attributes: dict[str, int]
) -> None:
    made = bare_operator(kind, first, output, attributes)
    assert made.shapes[0] == first
    assert tuple(made(*[torch.randn(2, *shape) for shape in made.shapes]).shape) == (2, *output)


def test_an_operator_that_has_no_meaning_by_itself_is_told() -> None:
    with pytest.raises(NasError, match=r"'copy' of 5x8 -> 40 cannot be measured by itself.*unit"):
        bare_operator("copy", (5, 8), (40,), {})
    with pytest.raises(NasError, match="'fourier'"):
        bare_operator("fourier", (5, 8), (5, 8), {})
