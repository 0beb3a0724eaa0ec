"""What leaves a supernet is plain torch, computes the same, and needs nothing of this project."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nas.architectures.decisions import Rows
from nas.choices import Choice
from nas.elastic import (
    Depth,
    ElasticBatchNorm2d,
    ElasticConv2d,
    ElasticLayerNorm,
    ElasticLinear,
    ElasticSqueezeExcite,
    OperatorChoice,
    Optional,
)
from nas.supernet import Space, Supernet, Task


class Small(nn.Module):
    """Every kind of layer, and a parameter and a buffer of the definition's own."""

    offset: torch.Tensor

    def __init__(self, task: Task) -> None:
        super().__init__()
        width, kernel = Choice("width", (4, 8)), Choice("kernel", (1, 3))
        self.scale = nn.Parameter(torch.tensor(0.7))
        self.register_buffer("offset", torch.tensor(0.2))
        self.stem = nn.Sequential(ElasticConv2d(task.channels, width, 3), ElasticBatchNorm2d(width), nn.ReLU())
        self.depthwise = ElasticConv2d(width, width, kernel, groups=width)
        self.squeeze = Optional(ElasticSqueezeExcite(width, 3), Choice("squeeze", (False, True)))
        self.blocks = Depth([ElasticConv2d(width, width, 3, bias=True) for _ in range(2)], Choice("depth", (0, 2)))
        self.either = OperatorChoice(
            Choice("operator", ("pool", "conv")),
            {"conv": ElasticConv2d(width, width, 3), "pool": nn.AvgPool2d(3, 1, 1)},
        )
        self.norm = ElasticLayerNorm(width)
        self.head = ElasticLinear(width, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.either(self.blocks(self.squeeze(self.depthwise(self.stem(x)))))
        return self.head(self.norm(x.mean((2, 3)) * self.scale + self.offset))


@pytest.fixture(scope="module")
def small() -> Space:
    return Space("small", Small, task=Task(3, 8, 5))


@pytest.fixture
def supernet(small: Space) -> Supernet:
    return small.supernet(3, 8, 5, seed=1)


def images(count: int = 4, side: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def ready(supernet: Supernet, row: np.ndarray) -> tuple[nn.Module, torch.Tensor]:
    """The extracted network in evaluation, and what the supernet itself returns for four images."""
    side = supernet.task.resolution
    supernet.activate(row)
    statistics = supernet.calibrate([images(8, side, 1), images(8, side, 2)])
    supernet.eval()
    with supernet.using(statistics), torch.no_grad():
        expected = supernet(images(4, side))
    return supernet.extract(row, statistics).eval(), expected


def rows_of(space: Space) -> Rows:
    return space.encode([space.smallest, space.largest])


def test_every_module_is_torchs_own(supernet: Supernet, mbconv: Space) -> None:
    for net in (supernet, mbconv.supernet(3, 32, 10)):
        for row in rows_of(net.space):
            extracted = net.extract(row)
            for module in extracted.modules():
                home = type(module).__module__
                assert home.split(".")[0] == "torch", home
            for word in ("nas", "search_spaces"):
                assert word not in extracted.code.replace(".", " ").split()
                assert f"{word}." not in extracted.code


def test_names_are_those_of_the_definition(supernet: Supernet) -> None:
    extracted = supernet.extract(supernet.space.largest)
    assert {name for name, _ in extracted.named_parameters()} == {name for name, _ in supernet.network.named_parameters()}


def test_what_is_left_out_is_not_carried_along(supernet: Supernet) -> None:
    extracted = supernet.extract(supernet.space.smallest)
    roots = {name.split(".")[0] for name in extracted.state_dict()}
    assert roots == {"scale", "offset", "stem", "depthwise", "norm", "head"}


def test_scripting_keeps_the_output(supernet: Supernet) -> None:
    for row in rows_of(supernet.space):
        extracted, expected = ready(supernet, row)
        torch.testing.assert_close(torch.jit.script(extracted)(images()), expected, atol=1e-5, rtol=1e-5)


def test_no_memory_is_shared(supernet: Supernet) -> None:
    extracted = supernet.extract(supernet.space.largest)
    own = {tensor.untyped_storage().data_ptr() for tensor in supernet.state_dict().values()}
    assert own.isdisjoint({tensor.untyped_storage().data_ptr() for tensor in extracted.state_dict().values()})
    before = extracted(images()).detach()
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.add_(1.0)
    assert torch.equal(extracted(images()), before)


def test_an_extracted_network_trains_on_its_own(supernet: Supernet) -> None:
    extracted = supernet.extract(supernet.space.largest).train()
    extracted(images()).square().sum().backward()
    assert all(p.grad is not None and p.requires_grad for p in extracted.parameters())
    assert all(p.grad is None for p in supernet.parameters())
    norm = next(module for module in extracted.modules() if isinstance(module, nn.BatchNorm2d))
    assert norm.num_batches_tracked == 1


def test_the_mode_is_kept(supernet: Supernet) -> None:
    for training in (True, False):
        supernet.train(training)
        extracted = supernet.extract(supernet.space.largest)
        assert extracted.training is training
        assert all(module.training is training for module in extracted.modules() if not list(module.children()))


WITHOUT_US = """
import sys
for name in ("nas", "search_spaces", "predictors", "hardware"):
    sys.modules[name] = None
import torch
scripted, exported, given, expected = sys.argv[1:]
x, y = torch.load(given), torch.load(expected)
torch.testing.assert_close(torch.jit.load(scripted)(x), y, atol=1e-5, rtol=1e-5)
torch.testing.assert_close(torch.export.load(exported).module()(x), y, atol=1e-5, rtol=1e-5)
print("same")
"""


def test_saved_networks_run_where_this_project_is_not(supernet: Supernet, tmp_path: Path) -> None:
    extracted, expected = ready(supernet, rows_of(supernet.space)[1])
    files = [tmp_path / name for name in ("scripted.pt", "exported.pt2", "given.pt", "expected.pt")]
    torch.jit.save(torch.jit.script(extracted), files[0])
    torch.export.save(torch.export.export(extracted, (images(),)), files[1])
    torch.save(images(), files[2])
    torch.save(expected, files[3])
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_US, *map(str, files)], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert ran.stdout.strip() == "same", ran.stderr


def assert_exact(space: Space, rows: Rows) -> None:
    """The supernet and each extracted network agree in training and in evaluation, batches of 1 and 3."""
    supernet = space.supernet(3, 32, 10, seed=4)
    calibration = [images(4, 64, 5)]
    outputs = []
    for row in rows:
        supernet.activate(row)
        statistics = supernet.calibrate(calibration)
        extracted = supernet.eval().extract(row, statistics)
        with supernet.using(statistics), torch.no_grad():
            for batch in (1, 3):
                x = images(batch, 32, 6)
                inside, outside = supernet(x), extracted(x)
                assert (inside - outside).abs().max() <= 1e-5
            assert (inside[0] - inside[1]).abs().max() > 1e-4
            outputs.append(inside)
    assert (torch.stack(outputs).std(0) > 1e-4).any(), "architectures must differ"


@pytest.mark.slow
def test_mobile_networks_are_extracted_exactly(mbconv: Space, mbconv_rows: Rows) -> None:
    assert_exact(mbconv, mbconv_rows[-40:])


@pytest.mark.slow
def test_many_mobile_networks_are_extracted_exactly(mbconv: Space, mbconv_rows: Rows) -> None:
    assert_exact(mbconv, mbconv_rows[:200])


def test_mobile_networks_train_as_their_extracted_twins(mbconv: Space, mbconv_rows: Rows) -> None:
    supernet = mbconv.supernet(3, 64, 10, seed=4)
    for row in mbconv_rows[-3:]:
        extracted = supernet.train().extract(row)
        for module in (*supernet.modules(), *extracted.modules()):
            if isinstance(module, nn.Dropout):
                module.eval()
        x = images(2, 64, 6)
        inside, outside = supernet(x), extracted(x)
        assert (inside[0] - inside[1]).abs().max() > 1e-4
        torch.testing.assert_close(inside, outside, atol=1e-5, rtol=1e-5)
        inside.square().sum().backward()
        outside.square().sum().backward()
        largest = [(name, p.grad) for name, p in extracted.named_parameters()]
        for name, gradient in largest:
            full = supernet.network.get_parameter(name).grad
            assert full is not None and gradient is not None
            part = full[tuple(slice(0, size) for size in gradient.shape)] if full.shape[2:] == gradient.shape[2:] else None
            if part is not None:
                torch.testing.assert_close(part, gradient, atol=1e-4, rtol=1e-3, msg=lambda text, n=name: f"{n}: {text}")
        supernet.zero_grad()


def test_a_copy_of_a_supernet_is_independent(supernet: Supernet) -> None:
    twin = copy.deepcopy(supernet)
    supernet.activate(supernet.space.smallest)
    twin.activate(supernet.space.largest)
    supernet.train(), twin.train()
    small_before, large_before = supernet(images()), twin(images())
    assert (small_before - large_before).abs().max() > 1e-4
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(0.1)
    assert torch.equal(supernet(images()), small_before)
    twin.activate(supernet.space.smallest)
    assert (twin(images()) - small_before).abs().max() > 1e-4
    twin.activate(supernet.space.largest)
    assert torch.equal(supernet(images()), small_before)


def test_the_same_seed_gives_the_same_weights(small: Space) -> None:
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    first, again, other = (small.supernet(3, 8, 5, seed=seed).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
    assert torch.equal(before, torch.random.get_rng_state()), "making weights must leave torch's generator alone"


def test_activation_takes_an_architecture_a_mapping_or_a_row(supernet: Supernet) -> None:
    largest, smallest = supernet.space.largest, supernet.space.smallest
    outputs = []
    for given in (largest, dict(largest), supernet.space.encode([largest])[0]):
        supernet.activate(smallest)
        supernet.activate(given)
        outputs.append(supernet(images()))
    assert torch.equal(outputs[0], outputs[1]) and torch.equal(outputs[0], outputs[2])


def test_a_supernet_is_built_for_its_task(mbconv: Space) -> None:
    supernet = mbconv.supernet(channels=1, resolution=32, classes=7)
    assert (supernet.task.channels, supernet.task.resolution, supernet.task.classes) == (1, 32, 7)
    assert supernet(torch.randn(2, 1, 32, 32)).shape == (2, 7)
