"""ONNX and plain PyTorch say the same as the network they came from."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import fx

from nas.base.errors import NasError
from nas.exporting import compare_onnx, export_onnx, load_plain, write_plain
from nas.supernet import Space, Supernet

SHAPE = (3, 32, 32)


@pytest.fixture(scope="module")
def supernet(mbconv: Space) -> Supernet:
    return mbconv.supernet(3, 32, 10, seed=1)


def network_of(supernet: Supernet, row: np.ndarray) -> fx.GraphModule:
    """An extracted network with estimated batch-norm statistics."""
    supernet.activate(row)
    images = torch.randn((16, *SHAPE), generator=torch.Generator().manual_seed(5))
    return supernet.extract(row, supernet.calibrate([images])).eval()


@pytest.fixture(scope="module")
def network(supernet: Supernet, mbconv: Space) -> fx.GraphModule:
    return network_of(supernet, mbconv.encode([mbconv.known["mnasnet-b1"]])[0])


def assert_exported(network: fx.GraphModule, path: Path) -> None:
    metadata = {"architecture": {"space": "mbconv"}, "classes": ["a", "b"], "input": "pixels"}
    real = torch.rand((7, *SHAPE), generator=torch.Generator().manual_seed(2))
    comparison = export_onnx(network, path, SHAPE, metadata, real)
    assert comparison.agrees
    assert set(comparison.inputs) == {"random, batch 1", "random, batch 7", "real, batch 1", "real, batch 7"}
    session = onnxruntime.InferenceSession(path)
    images = torch.randn((5, *SHAPE), generator=torch.Generator().manual_seed(3))
    (scores,) = session.run(None, {"images": images.numpy()})
    with torch.no_grad():
        expected = network(images).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
    stored = session.get_modelmeta().custom_metadata_map
    assert json.loads(stored["classes"]) == ["a", "b"]
    assert stored["input"] == "pixels"
    assert 18 <= {entry.domain: entry.version for entry in onnx.load(path).opset_import}[""] <= 20


def test_onnx_agrees(network: fx.GraphModule, tmp_path: Path) -> None:
    assert_exported(network, tmp_path / "model.onnx")


@pytest.mark.slow
def test_onnx_of_ten_random_networks_agrees(supernet: Supernet, mbconv: Space, tmp_path: Path) -> None:
    for index, row in enumerate(mbconv.decisions.sample(np.random.default_rng(11), 10)):
        assert_exported(network_of(supernet, row), tmp_path / f"{index}.onnx")


class Rough(torch.nn.Module):
    """The means of the colours, of which single precision is off by `error`, and what is exported by `shift`."""

    def __init__(self, error: float, shift: float) -> None:
        super().__init__()
        self.error, self.shift = error, shift

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores = images.mean((2, 3))
        if torch.compiler.is_exporting():
            return scores + self.shift
        return scores + self.error if scores.dtype == torch.float64 else scores


def test_a_network_that_magnifies_rounding_is_compared_by_it(tmp_path: Path) -> None:
    comparison = export_onnx(Rough(error=1e-4, shift=5e-4).eval(), tmp_path / "model.onnx", SHAPE, {})
    assert comparison.largest_difference == pytest.approx(5e-4, rel=0.01)
    assert comparison.largest_difference > comparison.tolerance
    assert comparison.rounding == pytest.approx(1e-4, rel=0.01)
    assert comparison.agrees
    assert (tmp_path / "model.onnx").exists()
    steady = torch.nn.Sequential(torch.nn.AvgPool2d(4), torch.nn.Flatten()).eval()
    assert export_onnx(steady, tmp_path / "steady.onnx", SHAPE, {}).rounding == 0.0


@pytest.mark.parametrize("error", [0.0, 4e-5])
def test_a_file_that_differs_by_more_than_rounding_explains_is_not_written(error: float, tmp_path: Path) -> None:
    with pytest.raises(NasError, match=r"differs from PyTorch by 5\.0e-04"):
        export_onnx(Rough(error, shift=5e-4).eval(), tmp_path / "model.onnx", SHAPE, {})
    assert not list(tmp_path.iterdir())


def test_another_networks_file_does_not_agree(network: fx.GraphModule, supernet: Supernet, tmp_path: Path) -> None:
    export_onnx(network, tmp_path / "model.onnx", SHAPE, {})
    other = network_of(supernet, np.zeros(20, dtype=np.uint8))
    assert not compare_onnx(other, tmp_path / "model.onnx", SHAPE).agrees


def test_a_network_that_ignores_its_input_proves_nothing(tmp_path: Path) -> None:
    class Constant(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((1, 2, 3)).unsqueeze(1) * 0.0

    with pytest.raises(NasError, match="not written"):
        export_onnx(Constant().eval(), tmp_path / "model.onnx", SHAPE, {})


def test_plain_source_loads_where_this_project_cannot_be_imported(network: fx.GraphModule, tmp_path: Path) -> None:
    write_plain(network, tmp_path / "model.py", tmp_path / "weights.safetensors", "A network", SHAPE)
    images = torch.randn((2, *SHAPE), generator=torch.Generator().manual_seed(4))
    torch.save(images, tmp_path / "images.pt")
    script = (
        "import sys, torch\n"
        "for name in ('nas', 'search_spaces', 'hardware'): sys.modules[name] = None\n"
        "from safetensors.torch import load_file\n"
        "from model import Network\n"
        "network = Network()\n"
        "network.load_state_dict(load_file('weights.safetensors'))\n"
        "torch.save(network.eval()(torch.load('images.pt', weights_only=True)).detach(), 'scores.pt')\n"
    )
    (tmp_path / "use.py").write_text(script)
    done = subprocess.run([sys.executable, "use.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        expected = network(images)
    assert expected.std() > 0
    torch.testing.assert_close(torch.load(tmp_path / "scores.pt", weights_only=True), expected)
    torch.testing.assert_close(load_plain(tmp_path / "model.py", tmp_path / "weights.safetensors")(images), expected)


def test_plain_source_keeps_what_torch_does_not_print(tmp_path: Path) -> None:
    """Means that leave padding out or look beyond the edge: their settings are in the constructor alone."""
    layers = torch.nn.Sequential(
        torch.nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        torch.nn.AvgPool2d(2, ceil_mode=True),
        torch.nn.Conv2d(SHAPE[0], 4, 3, padding=1, bias=False),
        torch.nn.GELU(approximate="tanh"),
        torch.nn.Flatten(),
    ).eval()
    traced = fx.symbolic_trace(layers)
    write_plain(traced, tmp_path / "model.py", tmp_path / "weights.safetensors", "Pools", (SHAPE[0], 21, 21))
    images = torch.randn((2, SHAPE[0], 21, 21), generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        again = load_plain(tmp_path / "model.py", tmp_path / "weights.safetensors")
        torch.testing.assert_close(again(images), layers(images))


def test_plain_source_that_computes_something_else_is_not_written(tmp_path: Path) -> None:
    class Scaled(torch.nn.Flatten):
        """Torch's own by name, with a setting that no constructor takes."""

        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return 2.0 * super().forward(input)

    Scaled.__module__, Scaled.__name__ = torch.nn.Flatten.__module__, "Flatten"
    graph = fx.Graph()
    graph.output(graph.call_module("flatten", (graph.placeholder("x"),)))
    network = fx.GraphModule({"flatten": Scaled()}, graph).eval()
    with pytest.raises(NasError, match="was not written"):
        write_plain(network, tmp_path / "model.py", tmp_path / "weights.safetensors", "Wrong", SHAPE)
    assert not list(tmp_path.iterdir())
