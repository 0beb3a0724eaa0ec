"""Every option of every layer: the sub-network inside the supernet and the extracted one compute the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Choice, Value, make_divisible
from nas.elastic import (
    Depth,
    ElasticBatchNorm2d,
    ElasticConv2d,
    ElasticLayer,
    ElasticLayerNorm,
    ElasticLinear,
    ElasticSqueezeExcite,
    OperatorChoice,
    Optional,
)
from nas.supernet import Space, Supernet, Task

WIDTH = Choice("width", (4, 8, 12))
KERNEL = Choice("kernel", (1, 3, 5))
GROUPS = Choice("groups", (1, 2, 4))
HIDDEN = Choice("hidden", (2, 6))
PRESENT = Choice("present", (False, True))
DEPTH = Choice("depth", (0, 1, 3))
OPERATOR = Choice("operator", ("pool", "conv", "skip"))


class Image(nn.Module):
    """Fixed stem, the layers in question, mean over the map, classes."""

    def __init__(self, task: Task, width: Value, *layers: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(task.channels, 8, 3, padding=1)
        self.layers = nn.Sequential(*layers)
        self.head = ElasticLinear(width, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(torch.tanh(self.stem(x))).mean((2, 3)))


class Tokens(nn.Module):
    """(N, C, H, W) as (N, H W, C) for layers over the last dimension."""

    def __init__(self, task: Task, width: Value, *layers: nn.Module) -> None:
        super().__init__()
        self.embed = ElasticConv2d(task.channels, width, 3, bias=True)
        self.layers = nn.Sequential(*layers)
        self.head = ElasticLinear(width, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(self.embed(x).flatten(2).transpose(1, 2)).mean(1))


class Shortcut(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x)


def normed(width: Value, *layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers, ElasticBatchNorm2d(width), nn.ReLU())


def conv(kernel: Value = 3) -> nn.Module:
    return normed(8, ElasticConv2d(8, 8, kernel))


SPACES: dict[str, Callable[[Task], nn.Module]] = {
    "width": lambda task: Image(task, WIDTH, ElasticConv2d(8, WIDTH, 3)),
    "width-in-and-out": lambda task: Image(
        task, 8, ElasticConv2d(8, WIDTH, 3, bias=True), nn.ReLU(), ElasticConv2d(WIDTH, 8, 1)
    ),
    "kernel": lambda task: Image(task, 8, ElasticConv2d(8, 8, KERNEL)),
    "kernel-stride-dilation": lambda task: Image(
        task, 8, ElasticConv2d(8, 8, KERNEL, stride=2), ElasticConv2d(8, 8, KERNEL, dilation=2)
    ),
    "depthwise": lambda task: Image(
        task, WIDTH, ElasticConv2d(8, WIDTH), ElasticConv2d(WIDTH, WIDTH, KERNEL, groups=WIDTH), nn.ReLU()
    ),
    "groups": lambda task: Image(task, WIDTH, ElasticConv2d(8, WIDTH, 3, groups=GROUPS, bias=True)),
    "derived-width": lambda task: Image(
        task,
        8,
        ElasticConv2d(8, make_divisible(WIDTH * 1.5, 8)),
        nn.ReLU(),
        ElasticConv2d(make_divisible(WIDTH * 1.5, 8), 8),
    ),
    "linear": lambda task: Tokens(task, 8, ElasticLinear(8, HIDDEN, bias=False), nn.GELU(), ElasticLinear(HIDDEN, 8)),
    "layer-norm": lambda task: Tokens(task, WIDTH, ElasticLayerNorm(WIDTH), nn.GELU()),
    "batch-norm": lambda task: Image(task, WIDTH, normed(WIDTH, ElasticConv2d(8, WIDTH, 3))),
    "batch-norm-plain": lambda task: Image(
        task, WIDTH, ElasticConv2d(8, WIDTH, 3), ElasticBatchNorm2d(WIDTH, eps=1e-3, affine=False), nn.ReLU()
    ),
    "squeeze-excite": lambda task: Image(
        task, WIDTH, ElasticConv2d(8, WIDTH), ElasticSqueezeExcite(WIDTH, HIDDEN, gate=nn.Hardsigmoid)
    ),
    "optional": lambda task: Image(task, 8, Optional(conv(KERNEL), PRESENT), Shortcut(Optional(conv(), PRESENT))),
    "depth": lambda task: Image(task, 8, Depth([Shortcut(conv(KERNEL)) for _ in range(3)], DEPTH)),
    "operator": lambda task: Image(
        task,
        8,
        OperatorChoice(OPERATOR, {"conv": conv(KERNEL), "pool": nn.AvgPool2d(3, 1, 1), "skip": nn.Identity()}),
    ),
    "operator-of-another-width": lambda task: Image(
        task,
        OPERATOR.map({"pool": 8, "conv": 12, "skip": 8}),
        OperatorChoice(OPERATOR, {"conv": ElasticConv2d(8, 12, 3), "pool": nn.MaxPool2d(3, 1, 1), "skip": nn.Identity()}),
    ),
    "nothing-to-extract": lambda task: Image(task, 8, OperatorChoice(HIDDEN, {2: nn.Identity(), 6: nn.Dropout(0.0)})),
}


def rows_of(space: Space) -> np.ndarray:
    """Every architecture, once."""
    grid = np.array(list(itertools.product(*(range(len(choice.options)) for choice in space.decisions.choices))))
    return np.unique(space.decisions.check(grid), axis=0)


def supernet_of(space: Space) -> Supernet:
    supernet = space.supernet(channels=3, resolution=8, classes=5, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.add_(torch.empty_like(parameter).uniform_(-0.3, 0.3, generator=generator))
    return supernet


def images(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module", params=SPACES)
def space(request: pytest.FixtureRequest) -> Space:
    return Space(request.param, SPACES[request.param], task=Task(3, 8, 5))


def test_supernet_and_extracted_agree_for_every_option(space: Space) -> None:
    supernet = supernet_of(space)
    seen: list[torch.Tensor] = []
    rows = rows_of(space)
    assert len(rows) == space.size
    for row in rows:
        supernet.activate(row)
        supernet.train()
        extracted = supernet.extract(row)
        for batch in (1, 5):
            x = images(batch)
            inside, outside = supernet(x), extracted(x)
            assert outside.shape == (batch, 5)
            torch.testing.assert_close(inside, outside, atol=1e-6, rtol=1e-5)
        assert (supernet(images(1, 1)) - supernet(images(1, 2))).abs().max() > 1e-4, "the output must depend on the input"
        statistics = supernet.calibrate([images(6, 3), images(4, 4)])
        supernet.eval()
        extracted = supernet.extract(row, statistics).eval()
        with supernet.using(statistics), torch.no_grad():
            for batch in (1, 5):
                x = images(batch)
                torch.testing.assert_close(supernet(x), extracted(x), atol=1e-6, rtol=1e-5)
            inside = supernet(images(5))
        seen.append(inside)
        assert sum(p.numel() for p in extracted.parameters()) == space.cost("params", row[None], Task(3, 8, 5))[0]
    if space.name != "nothing-to-extract":
        for first, second in itertools.combinations(seen, 2):
            assert (first - second).abs().max() > 1e-6, "two architectures of this space compute the same"


def test_what_a_layer_uses_is_a_view_of_its_full_parameter(space: Space) -> None:
    supernet = supernet_of(space)
    for row in rows_of(space):
        supernet.activate(row)
        for layer in supernet.modules():
            if isinstance(layer, ElasticLayer) and layer.setting is not None:
                full = {parameter.untyped_storage().data_ptr() for parameter in layer.parameters(recurse=False)}
                used = {part.untyped_storage().data_ptr() for part in layer.parts() if part is not None}
                assert used == full


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("width", [4, 12])
def test_convolution_takes_first_channels_and_kernel_centre(kernel: int, width: int) -> None:
    layer = ElasticConv2d(WIDTH, WIDTH + 2, KERNEL, stride=2, bias=True)
    assert layer.weight.shape == (14, 12, 5, 5)
    nn.init.normal_(layer.bias)  # type: ignore[arg-type]
    layer.activate((width, width + 2, kernel, 1))
    x = torch.randn(2, width, 7, 7)
    border = (5 - kernel) // 2
    centre = layer.weight[: width + 2, :width, border : 5 - border, border : 5 - border]
    expected = F.conv2d(x, centre, layer.bias[: width + 2], 2, kernel // 2)  # type: ignore[index]
    torch.testing.assert_close(layer(x), expected)
    assert layer.parts()[0].data_ptr() == centre.data_ptr()  # type: ignore[union-attr]


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_grouped_convolution_takes_the_first_channels_of_each_group(groups: int) -> None:
    layer = ElasticConv2d(8, WIDTH, 3, groups=GROUPS)
    layer.activate((8, 4, 3, groups))
    x = torch.randn(2, 8, 5, 5)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight[:4, : 8 // groups], None, 1, 1, 1, groups))


def test_normalisations_take_the_first_channels() -> None:
    batch_norm, layer_norm = ElasticBatchNorm2d(WIDTH, eps=0.1), ElasticLayerNorm(WIDTH, eps=0.1)
    for layer in (batch_norm, layer_norm):
        nn.init.normal_(layer.weight)  # type: ignore[arg-type]
        nn.init.normal_(layer.bias)  # type: ignore[arg-type]
        layer.activate((8,))
    x = torch.randn(4, 8, 3, 3)
    expected = F.batch_norm(x, None, None, batch_norm.weight[:8], batch_norm.bias[:8], True, 0.0, 0.1)  # type: ignore[index]
    torch.testing.assert_close(batch_norm(x), expected)
    y = torch.randn(4, 3, 8)
    torch.testing.assert_close(layer_norm(y), F.layer_norm(y, (8,), layer_norm.weight[:8], layer_norm.bias[:8], 0.1))


@pytest.mark.parametrize("affine", [False, True])
def test_a_batch_norm_is_extracted_where_it_was_moved_to(affine: bool) -> None:
    layer = ElasticBatchNorm2d(WIDTH, affine=affine).to("meta")
    layer.activate((8,))
    assert {tensor.device.type for tensor in layer.static().state_dict().values()} == {"meta"}
    assert set(layer.state_dict()) == ({"weight", "bias"} if affine else set())


def test_a_fixed_layer_is_torchs_own() -> None:
    layer = ElasticConv2d(3, 4, 3, stride=2, bias=True)
    x = torch.randn(2, 3, 9, 9)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight, layer.bias, 2, 1))


def test_a_layer_without_architecture_says_so() -> None:
    with pytest.raises(RuntimeError, match="ElasticConv2d has no architecture yet"):
        ElasticConv2d(8, WIDTH)(torch.randn(1, 8, 4, 4))


def test_extracting_shares_no_memory_and_changes_nothing() -> None:
    supernet = supernet_of(Space("depth", SPACES["depth"], task=Task(3, 8, 5)))
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    extracted = supernet.extract(supernet.space.largest)
    stores = {parameter.untyped_storage().data_ptr() for parameter in supernet.parameters()}
    assert stores.isdisjoint(tensor.untyped_storage().data_ptr() for tensor in extracted.state_dict().values())
    with torch.no_grad():
        for parameter in extracted.parameters():
            parameter.zero_()
    assert all(torch.equal(before[name], tensor) for name, tensor in supernet.state_dict().items())
