"""Memory with depthwise convolutions in place, and the bytes of weights, against counts of the extracted networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import fx, nn
from torch.fx.experimental.optimization import fuse

from nas.base.errors import NasError
from nas.costs import MEMORY_MODELS, WEIGHT_MODELS, memory_terms, weight_terms
from nas.elastic import walk
from nas.searching import parse_target
from nas.supernet import Space, Task, open_space

TASK = Task(3, 32, 10)


def written_over(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether a node writes over its first input, where nothing else reads that."""
    if isinstance(module, nn.Conv2d):
        return 1 < module.groups == module.in_channels == module.out_channels
    return isinstance(module, nn.BatchNorm2d | nn.ReLU | nn.Identity | nn.Dropout) or node.op == "call_function"


def peak_in_place(network: fx.GraphModule, images: torch.Tensor) -> int:
    """Elements held at the worst moment: buffers are counted as a chain of operators hands them on."""
    sizes: dict[fx.Node, int] = {}

    class Watcher(fx.Interpreter):
        def run_node(self, n: fx.Node) -> torch.Tensor:
            result: torch.Tensor = super().run_node(n)
            sizes[n] = result[0].numel()
            return result

    Watcher(network).run(images)
    order = list(network.graph.nodes)
    home: dict[fx.Node, fx.Node] = {}
    held: dict[fx.Node, int] = {}
    peak = 0
    for place, node in enumerate(order):
        if node.op == "output":
            break
        if node.op == "placeholder":
            home[node] = node
            held[node] = sizes[node]
            continue
        module = network.get_submodule(str(node.target)) if node.op == "call_module" else None
        later = {home[read] for other in order[place + 1 :] for read in other.all_input_nodes if read in home}
        first = home[node.all_input_nodes[0]]
        if isinstance(module, nn.Flatten) or (written_over(node, module) and first not in later):
            home[node] = first
            channel = sizes[node] // module.out_channels if isinstance(module, nn.Conv2d) else 0
            peak = max(peak, sum(held.values()) + channel)
            held[first] = max(held[first], sizes[node])
        else:
            home[node] = node
            held[node] = sizes[node]
            peak = max(peak, sum(held.values()))
        later.add(home[node])
        held = {one: size for one, size in held.items() if one in later}
        if home[node] in held and home[node] is not node:
            held[home[node]] = sizes[node]
    return peak


def test_memory_with_depthwise_convolutions_in_place() -> None:
    space = open_space("mbconv:single-path")
    supernet = space.supernet(3, 32, 10).eval()
    rows = space.decisions.sample(np.random.default_rng(1), 4)
    compiled = {metric: space.compiled(metric, TASK)(rows) for metric in ("memory", "mcu-memory", "mcu-memory-float32")}
    for place, row in enumerate(rows):
        expected = peak_in_place(supernet.extract(row), torch.randn(1, 3, 32, 32))
        assert compiled["mcu-memory"][place] == expected
        assert compiled["mcu-memory-float32"][place] == 4 * expected
    assert (compiled["mcu-memory-float32"] <= compiled["memory"]).all()


def test_a_depthwise_convolution_whose_input_is_read_again_is_not_in_place() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.depthwise = nn.Conv2d(1, 8, 1), nn.Conv2d(8, 8, 3, padding=1, groups=8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            return self.depthwise(x) + self.depthwise(x)

    terms = memory_terms(walk(Twice(), (1, 8, 8)), MEMORY_MODELS["mcu-memory"])
    # The first is written beside its input, the second over it, by way of a buffer of one channel.
    assert max(int(term.evaluate({})) for term in terms) == 2 * 8 * 64 + 64


def test_mobilenet_v2_on_a_microcontroller() -> None:
    space = open_space("mbconv:mnasnet")
    network = space.known["mobilenet-v2"]
    assert space.cost("mcu-memory", network) == 112 * 112 * (16 + 96)
    assert space.cost("mcu-memory", network, Task(3, 112, 1000)) == 56 * 56 * (16 + 96)


def bytes_by_hand(network: nn.Module) -> tuple[int, int]:
    """Float32 and int8 bytes of a network whose norms are folded."""
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    inside = {id(parameter) for layer in layers for parameter in layer.parameters()}
    floats = sum(4 * parameter.numel() for parameter in network.parameters() if id(parameter) not in inside)
    int8 = sum(layer.weight.numel() + 8 * len(layer.weight) for layer in layers)
    return 4 * sum(parameter.numel() for parameter in network.parameters()), int8 + floats


def test_weights_are_those_that_are_left_when_norms_are_folded(small: Space, small_rows: np.ndarray) -> None:
    supernet = small.supernet(3, 8, 5).eval()
    rows = small_rows[::7]
    compiled = {metric: small.compiled(metric)(rows) for metric in ("weights", "mcu-weights", "params")}
    for place, row in enumerate(rows):
        expected = bytes_by_hand(fuse(supernet.extract(row).eval()))
        assert (compiled["weights"][place], compiled["mcu-weights"][place]) == expected
    assert (compiled["weights"] < 4 * compiled["params"]).all()


def test_weights_of_a_published_network() -> None:
    space = open_space("mbconv:mnasnet")
    network = space.network(space.known["mobilenet-v2"], Task(3, 32, 1000)).eval()
    expected = bytes_by_hand(fuse(network))
    assert (
        space.cost("weights", space.known["mobilenet-v2"]),
        space.cost("mcu-weights", space.known["mobilenet-v2"]),
    ) == expected


def test_norms_that_follow_no_layer_stay() -> None:
    layers = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4), nn.Flatten(2), nn.LayerNorm(9))
    found = walk(layers, (3, 3, 3))
    floats = 4 * (2 * 3 + 2 * 4 + 2 * 9)
    totals = {name: sum(int(term.evaluate({})) for term in weight_terms(found, WEIGHT_MODELS[name])) for name in WEIGHT_MODELS}
    assert totals == {"weights": floats + 4 * (12 + 4), "mcu-weights": floats + 12 + 8 * 4}


def test_they_are_targets() -> None:
    space = open_space("mbconv:single-path")
    target = parse_target("mcu-memory=320kB", space)
    assert (target.metric, target.limit) == ("mcu-memory", 320e3)
    assert parse_target("mcu-weights<=1MiB", space).limit == 2**20
    rows = space.decisions.sample(np.random.default_rng(0), 20)
    costs = space.cost("mcu-memory", rows, Task(3, 96, 10))
    assert costs.min() >= space.compiled("mcu-memory", Task(3, 96, 10)).minimum() > 0
    with pytest.raises(NasError, match="no sum"):
        space.terms("mcu-memory")
