"""A network run patch by patch is the network: exactly, where arithmetic is exact, and its costs are those of the plan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import fx, nn

from nas.base.errors import NasError
from nas.costs import MEMORY_MODELS, macs_terms, memory_terms
from nas.elastic import walk
from nas.exporting import load_plain, write_plain
from nas.exporting.patching import Stage, ends, patched, plan
from nas.supernet import Task, open_space


def exact(network: fx.GraphModule, seed: int) -> fx.GraphModule:
    """Weights, norms and activations with which every sum is a whole number, and so the same in whatever order."""
    generator = torch.Generator().manual_seed(seed)
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.ReLU):
            network.set_submodule(name, nn.ReLU6())
        elif isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0
            module.running_mean = torch.randint(-2, 3, module.running_mean.shape, generator=generator).float()
            module.bias.data = torch.randint(-2, 3, module.bias.shape, generator=generator).float()
        elif isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.data = torch.randint(-1, 2, module.weight.shape, generator=generator).float()
            if module.bias is not None:
                module.bias.data = torch.randint(-2, 3, module.bias.shape, generator=generator).float()
    return network.double().eval()


def pictures(side: int, count: int = 2) -> torch.Tensor:
    return torch.randint(-4, 5, (count, 3, side, side), generator=torch.Generator().manual_seed(5)).double()


def total(terms: list) -> int:
    return sum(int(np.asarray(term.evaluate({})).item()) for term in terms)


@torch.no_grad()
def test_random_mobile_networks() -> None:
    space = open_space("mbconv:proxyless")
    supernet = space.supernet(3, 60, 7)
    rng = np.random.default_rng(3)
    seen = set()
    for seed, row in enumerate(space.decisions.sample(rng, 3)):
        network = exact(supernet.extract(row), seed)
        images = pictures(60)
        expected = network(images)
        assert expected.std(0).max() > 0
        found = ends(network)
        for end in (found[int(rng.integers(2, 8))], found[int(rng.integers(8, 14))]):
            stage = Stage(network, end, (60, 60))
            grid = int(rng.integers(2, 1 + min(4, *stage.output)))
            assert torch.equal(patched(stage, grid)(images), expected), (row, end, grid)
            seen.add(grid)
    assert len(seen) > 1


@torch.no_grad()
def test_mobilenet_v2_of_a_published_size() -> None:
    space = open_space("mbconv:mnasnet")
    network = exact(space.network(space.known["mobilenet-v2"], Task(3, 224, 10)), 0)
    stage = Stage(network, end_of(network, "blocks.2.blocks.0"), (224, 224))
    images = pictures(224, 1)
    tiled = patched(stage, 4)
    expected = network(images)
    assert expected.std() > 0
    assert torch.equal(tiled(images), expected)
    assert list(tiled.state_dict()) and set(tiled.state_dict()) == set(network.state_dict())

    (schedule,) = plan(network, (3, 224, 224), (4,), {stage.end: "five"}).schedules
    assert schedule.patch == (75, 75)
    assert round(100 * schedule.whole_stage_overhead) == 42
    assert schedule.overhead < 0.10
    # What is run: less at the borders. The walk of the patched network counts it, operator by operator.
    assert total(macs_terms(walk(tiled, (3, 224, 224)))) == schedule.macs + schedule.patched_macs - schedule.stage_macs
    # One patch at its widest: the second block's 16 channels and the 96 they are expanded to, on 35 x 35.
    assert schedule.stage_memory == 35 * 35 * (16 + 96) + 28 * 28 * 32
    # The rest at its widest: a shortcut of 32 channels, 192 in the middle, and 32 that come out.
    assert schedule.rest_memory == 28 * 28 * (32 + 192 + 32)


def end_of(network: fx.GraphModule, path: str) -> str:
    """The last end of a stage inside a module."""
    inside = [end for end in ends(network) if end.startswith(path.replace(".", "_"))]
    return inside[-1]


class Joined(nn.Module):
    """Even and long kernels, dilation, pools, channels that are joined, a shortcut over a stride, a scale for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, (5, 3), (2, 1), (2, 1))
        self.act = nn.ReLU6(inplace=True)
        self.wide = nn.Conv2d(6, 6, 3, 1, 2, dilation=2, groups=3)
        self.max = nn.MaxPool2d(3, 2, 1)
        self.short = nn.Conv2d(6, 6, 1, 2, bias=False)
        self.even = nn.Conv2d(12, 4, 4, 2, 1)
        self.scale = nn.Parameter(torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(4, 1, 1))
        self.mean = nn.AvgPool2d(2, 1, 1)
        self.last = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images (N, 3, H, W) -> scores (N, 5)."""
        x = self.act(self.first(x))
        x = self.max(self.wide(x)) + self.short(x)
        x = torch.relu(self.even(torch.cat([x, torch.nn.functional.relu6(x)], 1))) * self.scale
        x = self.mean(x * 4)
        return self.last(x.sum((2, 3)))


@torch.no_grad()
@pytest.mark.parametrize("side", [37, 40])
def test_windows_of_all_kinds(side: int) -> None:
    network = exact(fx.symbolic_trace(Joined()), 1)
    images = pictures(side)
    before = images.clone()
    expected = network(images)
    found = ends(network)
    assert found[-1] == "mean"
    for end in found:
        stage = Stage(network, end, (side, side))
        for grid in (1, 2, 3, 5):
            if grid <= min(stage.output):
                assert torch.equal(patched(stage, grid)(images), expected), (end, grid)
    assert torch.equal(images, before)


@torch.no_grad()
def test_zeros_stand_only_beyond_the_borders() -> None:
    """A network of biases alone: what is padded inside the map would be seen."""
    network = fx.symbolic_trace(nn.Sequential(nn.Conv2d(1, 1, 3, 1, 1), nn.Conv2d(1, 1, 3, 1, 1)).double().eval()).eval()
    for module in network.children():
        module.weight.fill_(1.0)
        module.bias.fill_(1.0)
    images = torch.zeros(1, 1, 12, 12).double()
    out = patched(Stage(network, "_1", (12, 12)), 4)(images)
    assert torch.equal(out, network(images))
    assert (out[0, 0, 1:-1, 1:-1] == 10).all()
    assert out[0, 0, 0, 0] == 5


def test_a_stage_ends_before_what_needs_a_whole_map() -> None:
    space = open_space("mbconv:mnasnet")
    network = space.network(space.known["mnasnet-a1"], Task(3, 32, 10)).eval()
    squeezed = next(
        str(node.target)
        for node in network.graph.nodes
        if "squeeze" in str(node.target) and not isinstance(network.get_submodule(str(node.target)), nn.Identity)
    )
    order = [str(node.name) for node in network.graph.nodes]
    assert order.index(ends(network)[-1]) < order.index(squeezed.replace(".", "_"))
    flat = fx.symbolic_trace(nn.Sequential(nn.Flatten(), nn.Linear(48, 2)).eval()).eval()
    with pytest.raises(NasError, match=r"patch by patch: '0' needs the whole map"):
        ends(flat)


def test_mistakes_are_told() -> None:
    network = fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1)).eval()).eval()
    with pytest.raises(NasError, match="no end of a stage; legal: _0, _1"):
        Stage(network, "_7", (16, 16))
    with pytest.raises(NasError, match="at most 4"):
        patched(Stage(network, "_1", (16, 16)), 5)
    with pytest.raises(NasError, match="at least 2"):
        plan(network, (3, 16, 16), (1,))
    with pytest.raises(NasError, match="ask for fewer"):
        plan(network, (3, 16, 16), (9,))
    with pytest.raises(NasError, match=r"no schedule keeps 10 B.*the least that one needs"):
        plan(network, (3, 16, 16)).best(10)
    network.train()
    with pytest.raises(NasError, match=r"eval\(\)"):
        Stage(network, "_1", (16, 16))


def test_the_plan_is_that_of_the_network() -> None:
    network = fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 2, 3, 2, 1)).eval()).eval()
    found = plan(network, (3, 32, 32), (2, 4))
    whole = walk(network, (3, 32, 32))
    assert found.macs == total(macs_terms(whole))
    assert found.memory == max(int(term.evaluate({})) for term in memory_terms(whole, MEMORY_MODELS["mcu-memory"]))
    assert found.best(found.memory) is None
    least = found.best()
    assert least is not None and least.memory == min(schedule.memory for schedule in found.schedules)
    budget = least.memory + 1
    chosen = found.best(budget)
    assert chosen is not None
    assert all(one.overhead >= chosen.overhead for one in found.schedules if one.memory <= budget)
    for schedule in found.schedules:
        tiled = patched(Stage(network, schedule.end, (32, 32)), schedule.grid)
        assert total(macs_terms(walk(tiled, (3, 32, 32)))) == found.macs + schedule.patched_macs - schedule.stage_macs


def test_it_leaves_as_plain_torch(tmp_path: Path) -> None:
    network = fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, 2, 1)).eval()).eval()
    tiled = patched(Stage(network, "_2", (16, 16)), 2)
    write_plain(tiled, tmp_path / "tiled.py", tmp_path / "tiled.safetensors", "Tiled", (3, 16, 16))
    images = torch.randn(2, 3, 16, 16)
    assert torch.allclose(load_plain(tmp_path / "tiled.py", tmp_path / "tiled.safetensors")(images), network(images), atol=1e-5)
    assert torch.allclose(torch.jit.script(tiled)(images), network(images), atol=1e-5)
