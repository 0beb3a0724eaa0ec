"""The networks of trees: costs against independent counts, published figures, plain PyTorch and ONNX."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from fvcore.nn import FlopCountAnalysis

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.costs import macs_terms, memory_terms, parameter_terms
from nas.exporting import export_onnx, load_plain, write_plain
from nas.supernet import SeparateSpace, Task, open_space
from search_spaces.einspace.space import EinSpace

MIXED = (
    "routing(im2col-k4s4p0, sequential(branching(clone2, sequential(computation(position), computation(norm)), "
    "routing(permute21, sequential(computation(linear64), computation(leaky-relu)), identity), scaled-dot), "
    "branching(group2x4, computation(linear16), concat2x4)), col2im)"
)
"""Every kind of operator but batch norm and softmax."""

PRODUCT = "branching(clone2, computation(norm), computation(softmax), dot)"


@pytest.fixture(scope="module")
def space() -> EinSpace:
    found = open_space("einspace")
    assert isinstance(found, EinSpace)
    return found


@pytest.fixture(scope="module")
def rows(space: EinSpace) -> Rows:
    """Random trees of at most 150 operators, some of the hand's own making, and the known networks."""
    drawn = space.decisions.sample(np.random.default_rng(11), 50)
    short = [row for row in drawn if len(space.program(row).steps) <= 150]
    made = [space.parse(text) for text in (MIXED, PRODUCT)]
    return np.asfortranarray([*short, *space.encode([*made, *space.known.values()])])


def fvcore_macs(network: torch.nn.Module, shape: tuple[int, ...]) -> int:
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counted = FlopCountAnalysis(network, torch.zeros(1, *shape)).unsupported_ops_warnings(False).by_operator()
    return int(counted["linear"] + counted["matmul"] + counted["bmm"])


def test_costs_are_those_that_fvcore_counts(space: EinSpace, rows: Rows) -> None:
    macs, params = space.cost("macs", rows), space.cost("params", rows)
    assert len(rows) > 40
    products = 0
    for row, expected, weights in zip(rows, macs, params, strict=True):
        network = space.network_of(row, space.task, 0).eval()
        assert fvcore_macs(network, space.task.input_shape) == expected
        assert sum(parameter.numel() for parameter in network.parameters()) == weights
        products += any(step.name == "matmul" for step in space.program(row).steps)
    assert products >= 3


def test_costs_are_those_of_the_walked_network(space: EinSpace, rows: Rows) -> None:
    """The walk reads the built network's own forward, and counts by the rules that all spaces share."""
    task = Task(2, 40, 7)
    at = EinSpace().at(task)
    for row in at.decisions.sample(np.random.default_rng(12), 25):
        if len(at.program(row).steps) > 120:
            continue
        walked = at.walk_of(row, task)
        assert walked.output == (1, 7)
        assert sum(float(term.evaluate({})) for term in macs_terms(walked)) == at.cost("macs", row[None])[0]
        assert sum(float(term.evaluate({})) for term in parameter_terms(walked)) == at.cost("params", row[None])[0]
        assert max(float(term.evaluate({})) for term in memory_terms(walked)) == at.cost("memory", row[None])[0]


def test_published_networks_have_their_published_figures(space: EinSpace) -> None:
    """ResNet-18 for CIFAR has 11,173,962 parameters and 0.56 G multiply-adds; its convolutions have 4,800 outputs in all,
    each with a bias here. Wide ResNet 16-4 has 2.75 M parameters (Zagoruyko and Komodakis, Wide Residual Networks, 2016)."""
    resnet = space.known["resnet18"]
    assert space.cost("params", resnet) == 11_173_962 + 4_800
    assert round(space.cost("macs", resnet) / 1e9, 2) == 0.56
    assert round(space.cost("params", space.known["wideresnet16-4"]) / 1e6, 2) == 2.75


def test_the_known_transformer_attends_as_torch_does(space: EinSpace) -> None:
    """One head of the grammar against torch's own attention on the same query, key and value."""
    head = (
        "branching(clone2, sequential(branching(clone2, computation(linear64), "
        "routing(identity, computation(linear64), permute21), scaled-dot), computation(softmax)), computation(linear64), dot)"
    )
    architecture = space.parse(f"routing(im2col-k4s4p0, {head}, identity)")
    assert head.replace(" ", "") in "".join(space.text(space.known["transformer-4"]).split())
    network = space.network(architecture, space.task).eval()
    linears = [network.get_submodule(f"linear{index}") for index in (1, 2, 3)]
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        columns = torch.nn.functional.unfold(images, 4, stride=4).transpose(1, 2)
        query, key, value = (linear(columns) for linear in linears)
        attended = torch.nn.functional.scaled_dot_product_attention(query, key, value)
        torch.testing.assert_close(network(images), network.get_submodule("classifier")(attended.mean(dim=1)))


def test_a_convolution_is_what_torch_computes(space: EinSpace) -> None:
    network = space.network(space.parse("routing(im2col-k3s2p1, computation(linear64), col2im)"), space.task).eval()
    linear = network.get_submodule("linear1")
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        maps = torch.nn.functional.conv2d(images, linear.weight.view(64, 3, 3, 3), linear.bias, stride=2, padding=1)
        torch.testing.assert_close(network(images), network.get_submodule("classifier")(maps.mean(dim=(2, 3))))


def test_copied_branches_have_weights_of_their_own(space: EinSpace) -> None:
    four = space.parse("branching(clone4, computation(linear64), concat3x4)")
    network = space.network(four, space.task)
    weights = [network.get_submodule(f"linear{index}").weight for index in (1, 2, 3, 4)]
    assert not torch.equal(weights[0], weights[1])
    assert space.cost("params", four) == 4 * (32 * 64 + 64) + 3 * 10 + 10


def test_weights_follow_the_seed(space: EinSpace) -> None:
    architecture = space.known["mlp-mixer-4"]
    one, same, other = (space.network(architecture, space.task, seed) for seed in (0, 0, 1))
    pairs = zip(one.parameters(), same.parameters(), other.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not torch.equal(one.get_submodule("linear1").weight, other.get_submodule("linear1").weight)


def test_plain_source_is_the_network(space: EinSpace, rows: Rows, tmp_path: Path) -> None:
    images = torch.randn(3, 3, 32, 32)
    for index, row in enumerate([*rows[:12], space.encode([space.known["transformer-4"]])[0]]):
        network = space.network_of(row, space.task, 5).eval()
        write_plain(network, tmp_path / f"model{index}.py", tmp_path / f"{index}.safetensors", "A tree", (3, 32, 32))
        source = (tmp_path / f"model{index}.py").read_text()
        assert "search_spaces" not in source and "import nas" not in source
        again = load_plain(tmp_path / f"model{index}.py", tmp_path / f"{index}.safetensors")
        with torch.no_grad():
            assert torch.equal(again(images), network(images))


def assert_exports(space: EinSpace, row: np.ndarray, path: Path) -> None:
    network = space.network_of(row, space.task, 2).eval()
    comparison = export_onnx(network, path, space.task.input_shape, {}, torch.rand(5, *space.task.input_shape))
    assert comparison.agrees
    assert set(comparison.inputs) >= {"random, batch 1", "random, batch 7", "real, batch 1"}


@pytest.mark.slow
def test_onnx_agrees_for_any_batch(space: EinSpace, tmp_path: Path) -> None:
    assert_exports(space, space.encode([space.parse(MIXED)])[0], tmp_path / "model.onnx")


@pytest.mark.slow
def test_onnx_agrees_for_random_and_known_trees(space: EinSpace, rows: Rows, tmp_path: Path) -> None:
    exported = 0
    for index, row in enumerate(np.concatenate([rows[:10], rows[-6:]])):
        try:
            assert_exports(space, row, tmp_path / f"{index}.onnx")
            exported += 1
        except NasError as error:
            assert "scores vary with the input: False" in str(error)
    assert exported >= 12


def test_there_is_no_supernet_and_no_latency(space: EinSpace) -> None:
    assert isinstance(space, SeparateSpace) and space.separate
    with pytest.raises(NasError, match="no supernet"):
        space.supernet()
    with pytest.raises(NasError, match="no definition that holds them all"):
        space.walk()
    with pytest.raises(NasError, match="legal: macs, params, memory"):
        space.compiled("pixel-latency")


def test_no_tree_costs_less_than_the_minimum(space: EinSpace, rows: Rows) -> None:
    for metric in ("macs", "params", "memory"):
        assert (space.cost(metric, rows) >= space.compiled(metric).minimum()).all()
    at = space.at(Task(1, 32, 10))
    assert at.cost("params", at.smallest) == at.compiled("params").minimum() == 20
