"""Several architectures in one pass: every slot equals a pass of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import nas.elastic.batched
from nas.base.errors import NasError
from nas.choices import Choice
from nas.elastic import (
    Configurable,
    Depth,
    DirectGradients,
    ElasticBatchNorm2d,
    ElasticConv2d,
    ElasticLayerNorm,
    ElasticLinear,
    ElasticTransformedConv2d,
    OperatorChoice,
    Optional,
    Slots,
)
from nas.elastic.batchable import shared_choices, unbatchable
from nas.elastic.batched import slot_counts
from nas.supernet import Space, Supernet, Task, open_space
from search_spaces.cells.nas_bench_201 import nas_bench_201_space
from search_spaces.mbconv.stages import Macro, Stage, StagedNetwork
from search_spaces.vit.autoformer import AutoFormerOptions, autoformer
from search_spaces.vit.resnas import resnas
from search_spaces.vit.resnas_layers import ResNasOptions
from search_spaces.vit.s3 import StageIntervals, s3

TASK = Task(2, 32, 4)

STAGES = (
    Stage("one", (4, 8), (1, 2), (3, 5), (1, 2), 1, nn.ReLU),
    Stage("two", (8, 12), (1, 2, 3), (3, 5, 7), (2, 3), 2, nn.Hardswish, squeeze=True),
)


def mobile(convolution: type[ElasticConv2d], residual: bool, mixing: bool) -> Space:
    """Resolution, widths, depths, kernels and expansions, with squeeze-and-excitation."""
    macro = Macro((24, 32), (4, 8), STAGES, (16, 24), nn.ReLU, mixing, 0.0, True, residual, convolution=convolution)
    return Space("small-mobile", partial(StagedNetwork, macro=macro), task=TASK)


def multi_stage() -> Space:
    """ViT-ResNAS in small, every second block removable."""
    widths = ((8, 12, 16), (12, 20, 24))
    options = ResNasOptions((3, 2), (2,), widths, ((1, 2), (1, 2, 3)), (4, 6), ((8, 16, 24), (12, 24)))
    return resnas("small-resnas", options)


def windowed() -> Space:
    """S3 in small: windows, heads and their features, depths."""
    first = StageIntervals((1, 2, 3), (8, 12), (7, 14), (1, 2), (4, 6), (1.0, 2.0))
    second = StageIntervals((1, 2), (12, 16), (7,), (1, 2, 3), (4, 6), (1.0, 1.5))
    return s3("s3-t", (first, second))


SPACES: dict[str, Callable[[], Space]] = {
    "resnas": multi_stage,
    "autoformer": lambda: autoformer("small", AutoFormerOptions((8, 12), (1, 2, 3), (1, 2), (2.0, 3.0))),
    "s3": windowed,
    "mobile": lambda: mobile(ElasticConv2d, True, False),
    "mobile with learned kernels": lambda: mobile(ElasticTransformedConv2d, False, True),
    "cells": lambda: nas_bench_201_space(channels=4, cells=1),
}


def drawn_rows(space: Space, network: nn.Module, count: int, seed: int) -> np.ndarray:
    """Random architectures that agree in the resolution."""
    rows = np.array(space.decisions.sample(np.random.default_rng(seed), count), order="F")
    for name in shared_choices(network):
        rows[:, space.decisions.column[name]] = rows[0, space.decisions.column[name]]
    return rows


def gradients(network: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for name, parameter in network.named_parameters()
    }


def separately(supernet: Supernet, rows: np.ndarray, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The scores of passes of their own, and the gradients of the batch's mean loss."""
    scores = torch.empty(len(images), supernet.task.classes, dtype=images.dtype)
    for slot, row in enumerate(rows):
        supernet.activate(row)
        own = supernet(images[slot :: len(rows)])
        scores[slot :: len(rows)] = own.detach()
        (F.cross_entropy(own, labels[slot :: len(rows)], reduction="sum") / len(images)).backward()
    return scores


@pytest.mark.parametrize(("seed", "direct", "small"), [(0, True, 0), (1, True, 10**9), (2, False, 10**9), (3, False, 0)])
@pytest.mark.parametrize("kind", SPACES)
def test_a_shared_pass_equals_separate_passes(
    kind: str, direct: bool, small: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where slots count as small, the whole weights are used under masks, else each slot's own."""
    monkeypatch.setattr(nas.elastic.batched, "SMALL", small)
    space = SPACES[kind]()
    supernet = space.supernet(TASK.channels, TASK.resolution, TASK.classes, seed).double().train()
    count, examples = (3, 13) if seed else (4, 12)
    rows = drawn_rows(space, supernet.network, count, seed)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn((examples, *TASK.input_shape), generator=generator, dtype=torch.double)
    labels = torch.randint(TASK.classes, (examples,), generator=generator)
    expected = separately(supernet, rows, images, labels)
    expected_gradients = gradients(supernet)
    unused = {name for name, parameter in supernet.named_parameters() if parameter.grad is None}
    supernet.zero_grad()
    slots = Slots(supernet.network)
    with DirectGradients(supernet) if direct else contextlib.nullcontext() as gathered:
        if gathered is not None:
            gathered.begin()
        with slots.running(supernet.settings(rows), slot_counts(examples, count)):
            scores = slots.run(images, supernet)
            F.cross_entropy(scores, labels).backward()
        if gathered is not None:
            gathered.end()
        found = gradients(supernet)
        assert {name for name, parameter in supernet.named_parameters() if parameter.grad is None} == unused
    torch.testing.assert_close(scores.detach(), expected, rtol=0, atol=1e-11)
    largest = max(float(value.abs().max()) for value in expected_gradients.values())
    for name, value in expected_gradients.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-11 * max(largest, 1.0), msg=name)


def test_the_network_is_as_before_when_the_pass_is_over() -> None:
    space = multi_stage()
    supernet = space.supernet(TASK.channels, TASK.resolution, TASK.classes).train()
    row = space.decisions.smallest()[0]
    images = torch.randn(6, *TASK.input_shape)
    supernet.activate(row)
    expected = supernet(images)
    slots = Slots(supernet.network)
    with slots.running(supernet.settings(space.decisions.sample(np.random.default_rng(0), 2)), (3, 3)):
        slots.run(images, supernet)
    assert torch.equal(supernet(images), expected)
    supernet.activate(row)
    assert torch.equal(supernet(images), expected)


def run_layer(layer: Configurable, settings: list[tuple[int, ...]], x: torch.Tensor) -> torch.Tensor:
    """A layer on a batch whose examples 0, 1, ... belong to the settings in turn, one each."""
    slots = Slots(layer)
    with slots.running({layer: settings}, [1] * len(settings)):
        return layer(x)  # type: ignore[no-any-return]


def test_layer_norm_sees_the_channels_in_use_alone() -> None:
    norm = ElasticLayerNorm(Choice("width", (3, 5, 8))).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.randn(3, 7, 8, dtype=torch.double) + 3.0
    x[0, :, 3:] = x[1, :, 5:] = 0.0
    found = run_layer(norm, [(3,), (5,), (8,)], x)
    for example, width in enumerate((3, 5, 8)):
        expected = F.layer_norm(x[example, :, :width], (width,), norm.weight[:width], norm.bias[:width], norm.eps)
        torch.testing.assert_close(found[example, :, :width], expected)
        assert not found[example, :, width:].any()


@pytest.mark.parametrize("small", [0, 10**9])
def test_a_linear_layer_leaves_zeros_where_a_slot_has_no_channels(small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nas.elastic.batched, "SMALL", small)
    layer = ElasticLinear(Choice("before", (2, 4)), Choice("after", (1, 3)))
    nn.init.ones_(layer.bias)
    x = torch.randn(2, 4)
    x[0, 2:] = 0.0
    found = run_layer(layer, [(2, 3), (4, 1)], x)
    torch.testing.assert_close(found[0], F.linear(x[0, :2], layer.weight[:, :2], layer.bias))
    torch.testing.assert_close(found[1, :1], F.linear(x[1], layer.weight[:1], layer.bias[:1]))
    assert not found[1, 1:].any()


def test_batch_norm_keeps_the_slots_apart_even_at_one_width() -> None:
    norm = ElasticBatchNorm2d(2)
    x = torch.randn(6, 2, 3, 3)
    slots = Slots(norm)
    with slots.running({}, (2, 4)):
        found = norm(x)
    expected = torch.cat([F.batch_norm(part, None, None, training=True, eps=norm.eps) for part in x.split((2, 4))])
    torch.testing.assert_close(found, expected)


def test_a_module_runs_only_on_the_slots_that_have_it() -> None:
    seen: list[int] = []

    class Counting(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(len(x))
            return x + 1.0

    optional = Optional(Counting(), Choice("on", (False, True)))
    slots = Slots(optional)
    x = torch.zeros(6, 2)
    with slots.running({optional: [(True,), (False,), (True,)]}, (1, 2, 3)):
        assert optional(x)[:, 0].tolist() == [1, 0, 0, 1, 1, 1]
    with slots.running({optional: [(False,), (False,)]}, (3, 3)):
        assert torch.equal(optional(x), x)
    assert seen == [4]


def test_depths_end_where_each_slot_says() -> None:
    class Plus(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1.0

    depth = Depth([Plus(), Plus(), Plus()], Choice("depth", (0, 1, 2, 3)))
    slots = Slots(depth)
    with slots.running({depth: [(2,), (0,), (3,)]}, (1, 1, 1)):
        assert depth(torch.zeros(3, 1)).flatten().tolist() == [2, 0, 3]


@pytest.mark.parametrize(("examples", "slots"), [(7, 3), (6, 3), (3, 3), (5, 1)])
def test_examples_are_dealt_to_the_slots_in_turn(examples: int, slots: int) -> None:
    assert slot_counts(examples, slots) == tuple(len(range(slot, examples, slots)) for slot in range(slots))


def test_resolutions_of_one_pass_must_agree() -> None:
    space = mobile(ElasticConv2d, True, False)
    supernet = space.supernet(TASK.channels, TASK.resolution, TASK.classes)
    rows = np.concatenate([space.decisions.smallest(), space.decisions.largest()])
    slots = Slots(supernet.network)
    assert shared_choices(supernet.network) == ("resolution",)
    with slots.running(supernet.settings(rows), (2, 2)), pytest.raises(NasError, match="one resolution"):
        slots.run(torch.randn(4, *TASK.input_shape), supernet)


class Unknowing(Configurable):
    """A module of a user's own that says nothing of shared passes."""

    def __init__(self) -> None:
        super().__init__()
        self.declare(twice=Choice("twice", (False, True)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_what_cannot_share_a_pass_is_named() -> None:
    why = unbatchable(nn.Sequential(nn.Identity(), Unknowing()), (3,))
    assert why is not None
    assert "1 (Unknowing)" in why
    why = unbatchable(nn.Sequential(nn.BatchNorm2d(3)), (3, 4, 4))
    assert why is not None
    assert "BatchNorm2d" in why


def test_maps_of_different_sizes_cannot_share_a_pass() -> None:
    sizes = OperatorChoice(Choice("halved", ("no", "yes")), {"no": ElasticConv2d(3, 4), "yes": ElasticConv2d(3, 4, 1, 2)})
    why = unbatchable(nn.Sequential(sizes, nn.AdaptiveAvgPool2d(1), nn.Flatten()), (3, 8, 8))
    assert why is not None
    assert "0 returns" in why
    assert "'halved'" in why


@pytest.mark.slow
@pytest.mark.parametrize(("name", "part"), [("hytra", "more than its channels"), ("cells:nasnet", "Concatenation")])
def test_families_that_cannot_say_why(name: str, part: str) -> None:
    why = open_space(name).unbatchable
    assert why is not None
    assert part in why


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "vit:resnas-tiny",
        "vit:autoformer-t",
        "vit:s3-t",
        "mbconv:ofa",
        "mbconv:bignas",
        "mbconv:single-path",
        "mbconv:mnasnet",
        "cells:darts",
    ],
)
def test_families_that_can(name: str) -> None:
    assert open_space(name).unbatchable is None
