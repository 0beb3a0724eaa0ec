"""Multiply-adds, parameters and activation memory against independent counts of the extracted networks."""

from __future__ import annotations

import logging
import operator
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import fx, nn

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.choices import Choice
from nas.costs import macs_terms
from nas.elastic import ElasticConv2d, ElasticLinear, Optional, SymbolicTensor, shape_rule, walk
from nas.supernet import Space, Task


def fvcore_macs(network: nn.Module, images: torch.Tensor) -> int:
    """Multiply-adds of convolutions and linear layers by fvcore's count."""
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counted = FlopCountAnalysis(network, images).unsupported_ops_warnings(False).by_operator()
    return int(counted["conv"] + counted["linear"])


class Measure(fx.Interpreter):
    """Runs a graph and notes how many elements each node returns."""

    def __init__(self, network: fx.GraphModule) -> None:
        super().__init__(network)
        self.elements: dict[fx.Node, int] = {}

    def run_node(self, node: fx.Node) -> Any:
        result = super().run_node(node)
        if isinstance(result, torch.Tensor):
            self.elements[node] = result.numel()
        return result


NAMES = (nn.Identity, nn.Flatten, nn.Dropout)
REUSE = (nn.BatchNorm2d, nn.ReLU, nn.Sigmoid)


def kind(network: fx.GraphModule, node: fx.Node) -> str:
    """'name' for what only renames its input, 'reuse' for what may write over it, 'new' for the rest."""
    if node.op == "call_module":
        module = network.get_submodule(str(node.target))
        return "name" if isinstance(module, NAMES) else "reuse" if isinstance(module, REUSE) else "new"
    if node.op == "call_method":
        return "name" if node.target in ("unsqueeze", "flatten") else "new"
    return "reuse" if node.target in (operator.add, operator.mul) else "new"


def peak_bytes(network: fx.GraphModule, images: torch.Tensor) -> int:
    """The documented model of activation memory, followed step by step over storages."""
    measure = Measure(network)
    measure.run(images)
    nodes = [node for node in network.graph.nodes if node.op not in ("output", "get_attr")]
    storage: dict[fx.Node, int] = {}
    reads: dict[int, list[int]] = {}
    size: dict[int, int] = {}
    for step, node in enumerate(nodes):
        if node.op != "placeholder" and kind(network, node) == "name":
            storage[node] = storage[node.all_input_nodes[0]]
            continue
        storage[node] = step
        size[step] = measure.elements[node]
        for source in node.all_input_nodes:
            reads.setdefault(storage[source], []).append(step)
    peak = 0
    for step, node in enumerate(nodes):
        if storage[node] != step or node.op == "placeholder":
            continue
        inputs = [storage[source] for source in node.all_input_nodes]
        held = set(inputs) | {made for made in size if made < step and any(at > step for at in reads.get(made, []))}
        total = sum(size[made] for made in held)
        free = not any(at > step for at in reads[inputs[0]]) and size[inputs[0]] == size[step]
        if kind(network, node) == "new" or not free:
            total += size[step]
        peak = max(peak, total)
    return 4 * peak


def assert_counts(space: Space, rows: Rows, task: Task) -> None:
    """Every count of every row equals the independent one, exactly."""
    supernet = space.supernet(task.channels, task.resolution, task.classes).eval()
    images = torch.randn(1, *task.input_shape)
    compiled = {metric: space.compiled(metric, task)(rows) for metric in ("macs", "params", "memory")}
    for index, row in enumerate(rows):
        extracted = supernet.extract(row)
        assert compiled["macs"][index] == fvcore_macs(extracted, images), row
        assert compiled["params"][index] == sum(parameter.numel() for parameter in extracted.parameters()), row
        assert compiled["memory"][index] == peak_bytes(extracted, images), row
    for metric, least in (("macs", len(rows) // 2), ("params", len(rows) // 2), ("memory", 2)):
        assert len(set(compiled[metric])) >= least, f"{metric} must tell architectures apart"


def test_counts_of_mobile_networks(mbconv: Space, mbconv_rows: Rows) -> None:
    assert_counts(mbconv, mbconv_rows[-16:], Task(3, 64, 10))


@pytest.mark.slow
def test_counts_of_many_mobile_networks(mbconv: Space, mbconv_rows: Rows) -> None:
    assert_counts(mbconv, mbconv_rows[:200], Task(3, 96, 100))


def test_counts_of_every_network_of_a_conditional_space(small: Space, small_rows: Rows) -> None:
    for task in (Task(3, 8, 5), Task(1, 11, 3)):
        supernet = small.supernet(task.channels, task.resolution, task.classes).eval()
        images = torch.randn(1, *task.input_shape)
        compiled = {metric: small.compiled(metric, task)(small_rows) for metric in ("macs", "params", "memory")}
        for index, row in enumerate(small_rows):
            extracted = supernet.extract(row)
            assert compiled["macs"][index] == convolution_macs(extracted, images), row
            assert compiled["params"][index] == sum(parameter.numel() for parameter in extracted.parameters()), row
            assert compiled["memory"][index] == peak_bytes(extracted, images), row


def convolution_macs(network: fx.GraphModule, images: torch.Tensor) -> int:
    """Multiply-adds by hand, from what each layer returns."""
    measure = Measure(network)
    measure.run(images)
    total = 0
    for node, elements in measure.elements.items():
        module = network.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, nn.Conv2d | nn.Linear):
            total += elements * module.weight[0].numel()
    return total


def test_the_hand_count_is_fvcores(small: Space, small_rows: Rows) -> None:
    supernet, images = small.supernet(3, 8, 5).eval(), torch.randn(1, 3, 8, 8)
    for row in small_rows[:: len(small_rows) // 6]:
        extracted = supernet.extract(row)
        assert convolution_macs(extracted, images) == fvcore_macs(extracted, images)


def test_published_counts_of_mnasnet(mbconv: Space) -> None:
    """315 M multiply-adds and 4.4 M parameters in the paper."""
    mnasnet = mbconv.known["mnasnet-b1"]
    assert mbconv.cost("macs", mnasnet) == 314_415_872
    assert mbconv.cost("params", mnasnet) == 4_383_312


class Gate(nn.Module):
    """A map of one value an image times the image, which must not be taken to overwrite it."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.conv = ElasticConv2d(task.channels, 4, Choice("kernel", (1, 3)))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = ElasticLinear(4, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return self.head((self.pool(x) * x + x).mean((2, 3)))


class Twice(nn.Module):
    """A shortcut around a layer that may be left out: what then is added is one tensor to itself."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.stem = ElasticConv2d(task.channels, 8, 3, stride=2)
        self.layer = Optional(ElasticConv2d(8, 8, Choice("kernel", (1, 3))), Choice("present", (False, True)))
        self.after = ElasticConv2d(8, 4, 1)
        self.head = ElasticLinear(4, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return self.head(self.after(x + self.layer(x)).mean((2, 3)))


class Renamed(nn.Module):
    """The same map under two shapes."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.stem = ElasticConv2d(task.channels, 8, Choice("kernel", (1, 3)))
        self.head = ElasticLinear(8, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        flat = x.flatten(2).mean(2)
        return self.head(flat + x.mean((2, 3)))


@pytest.mark.parametrize("network", [Gate, Twice, Renamed])
def test_memory_follows_storages_not_names(network: type[nn.Module]) -> None:
    task = Task(1, 8, 3)
    space = Space("corner", network, task=task)
    supernet, images = space.supernet(1, 8, 3).eval(), torch.randn(1, 1, 8, 8)
    grid = np.stack(np.meshgrid(*map(np.arange, space.decisions.cardinalities)), -1).reshape(-1, len(space.decisions))
    rows = np.unique(space.decisions.check(grid), axis=0)
    expected = [peak_bytes(supernet.extract(row), images) for row in rows]
    assert space.compiled("memory")(rows).tolist() == expected


def test_an_operator_without_a_rule_is_named() -> None:
    def spin(x: torch.Tensor) -> torch.Tensor:
        if torch.overrides.has_torch_function_unary(x):
            return torch.overrides.handle_torch_function(spin, (x,), x)  # type: ignore[no-any-return]
        return x.flip(-1)

    @shape_rule(spin)
    def _spin(x: SymbolicTensor) -> SymbolicTensor:
        return x.recorder.record("spin", (x,), x.shape)

    class Spinner(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return spin(x)

    found = walk(nn.Sequential(nn.Conv2d(3, 4, 1), Spinner()), (3, 8, 8))
    with pytest.raises(NasError, match=r"^1: .*'spin'"):
        macs_terms(found)


def test_one_architecture_several_and_rows_cost_the_same(small: Space, small_rows: Rows) -> None:
    architectures = small.decode(small_rows[:7])
    by_rows = small.cost("macs", small_rows[:7])
    assert by_rows.shape == (7,)
    assert small.cost("macs", architectures).tolist() == by_rows.tolist()
    assert [small.cost("macs", one) for one in architectures] == by_rows.tolist()


def test_unknown_metrics_are_told(small: Space) -> None:
    with pytest.raises(NasError, match=r"unknown metric 'mac'.*macs.*Did you mean 'macs'"):
        small.compiled("mac")
    with pytest.raises(NasError, match=r"unknown device 'pixel9'.*pixel1"):
        small.compiled("pixel9-latency")
    with pytest.raises(NasError, match="decision 'width'"):
        small.cost("macs", np.full((1, len(small.decisions)), 9))
