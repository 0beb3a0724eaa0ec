"""Adapters are small, import their packages late, and never hand over a file that computes something else."""

from __future__ import annotations

import ast
import json
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from runtime_checks import RUNTIMES, network
from torch import nn

from hardware.runtimes.onnxruntime import OnnxRuntime
from nas.base.errors import NasError
from nas.base.progress import Silent
from nas.measuring import Model, Plan, ProvenRuntime, open_connection, proven, read_timings
from nas.measuring.onnx_block import write_onnx_block
from nas.measuring.operators import bare_operator

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def imported(path: Path, top_alone: bool) -> set[str]:
    """Packages that a file imports, at its top or anywhere."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_alone else list(ast.walk(tree))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


def test_every_adapter_is_declared() -> None:
    declared = PROJECT["entry-points"]["nas.runtimes"]
    assert declared == {name: f"{made.__module__}:{made.__name__}" for name, made in RUNTIMES.items()}


@pytest.mark.parametrize("name", RUNTIMES)
def test_packages_are_imported_late_and_loaders_know_nothing_of_nas(name: str) -> None:
    made = RUNTIMES[name]
    adapter = ROOT / "hardware" / "runtimes" / f"{name}.py"
    assert not imported(adapter, top_alone=True) & set(made.packages)
    allowed = {*sys.stdlib_module_names, "numpy", *(made.packages or (name.replace("pytorch", "torch"),))}
    beyond = imported(made.loader, top_alone=False) - allowed
    assert beyond <= (set() if made.remote else {"torch"})


@pytest.mark.parametrize("name", [name for name, made in RUNTIMES.items() if made.packages])
def test_a_missing_package_names_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proven, "find_spec", lambda package: None)
    made = RUNTIMES[name]()
    with pytest.raises(NasError, match=rf"pip install 'nas-toolkit\[{made.extra}\]'"):
        made.require()
    wanted = {requirement.split(">")[0] for requirement in PROJECT["optional-dependencies"][made.extra]}
    assert wanted == set(made.packages)


class Another(ProvenRuntime):
    """Writes another network than it is given."""

    summary = "another"
    loader: ClassVar[Path] = OnnxRuntime.loader

    def write(self, network: nn.Module, inputs: Sequence[tuple[int, ...]], path: Path, dtype: str) -> None:
        write_onnx_block(nn.Sequential(network, nn.LeakyReLU(0.9)), inputs, path)


class Broken(Another):
    """Writes what no runtime can read."""

    def write(self, network: nn.Module, inputs: Sequence[tuple[int, ...]], path: Path, dtype: str) -> None:
        path.write_bytes(b"no network")


@pytest.mark.parametrize(("made", "says"), [(Another(), "gives other values there"), (Broken(), "cannot be run: ")])
def test_a_wrong_file_is_refused(made: ProvenRuntime, says: str, tmp_path: Path) -> None:
    path, given = tmp_path / "model.onnx", nn.Linear(4, 3).eval()
    nn.init.zeros_(given.weight)
    nn.init.constant_(given.bias, -1.0)  # which a leaky ReLU changes
    with pytest.raises(NasError, match=says):
        made.convert(given, [(1, 4)], path, "float32")
    assert not list(tmp_path.iterdir())


def test_convolutions_are_fused_in_int8(tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    module, shape = network("network")
    OnnxRuntime().convert(module, [shape], tmp_path / "model.onnx", "int8")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), options, providers=["CPUExecutionProvider"])
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    convolutions = sum(isinstance(child, nn.Conv2d) for child in module.modules())
    assert kinds["QLinearConv"] == convolutions > 5
    assert not kinds["Conv"] and not kinds["Relu"]


def test_eager_pytorch_runs_operators_by_themselves(tmp_path: Path) -> None:
    made = RUNTIMES["pytorch"]()
    for kind, shape, output, attributes in (
        ("elementwise", (2, 4, 4), (2, 4, 4), {}),
        ("concatenation", (2, 4, 4), (6, 4, 4), {}),
        ("pool", (2, 4, 4), (2,), {}),
        ("resize", (2, 4, 4), (2, 8, 8), {}),
        ("attention", (2, 5, 8), (2, 5, 8), {}),
    ):
        bare = bare_operator(kind, shape, output, attributes)
        made.convert(bare.eval(), [(1, *each) for each in bare.shapes], tmp_path / f"{kind}.npz", "float32")
    assert len(list(tmp_path.iterdir())) == 5


def test_eager_pytorch_unpickles_nothing(tmp_path: Path) -> None:
    made = RUNTIMES["pytorch"]()
    path = tmp_path / "model.npz"
    np.savez(path, allow_pickle=True, source=np.array([print], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        proven.load_loader(made.loader).load(path, [], 1, "float32")


def test_conversion_leaves_torch_as_it_was(tmp_path: Path) -> None:
    module, shape = network("convolution")
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    torch.set_num_threads(2)
    try:
        for name in ("onnxruntime", "pytorch"):
            made = RUNTIMES[name]()
            made.convert(module, [shape], tmp_path / f"model{made.suffix}", "float32")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_runner_times_eager_pytorch(tmp_path: Path) -> None:
    made = RUNTIMES["pytorch"]()
    module, shape = network("convolution")
    (tmp_path / "models").mkdir()
    made.convert(module, [shape], tmp_path / "models" / "block.npz", "float32")
    plan = Plan(
        runtime="pytorch",
        dtype="float32",
        threads=1,
        batch=1,
        space="toy",
        resolution=64,
        channels=3,
        classes=10,
        models=(Model(name="block", file="models/block.npz", inputs=(shape,)),),
        rounds=1,
        most_rounds=1,
        calls=2,
    )
    plan.write(tmp_path, made.loader)
    open_connection("here").run(tmp_path, plan, Silent())
    timings = read_timings(tmp_path, plan)
    assert timings.figures[0].ms > 0
    assert json.loads((tmp_path / "device.json").read_text())["device"]["runtime"] == f"pytorch {torch.__version__}"
