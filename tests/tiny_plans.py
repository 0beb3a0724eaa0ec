"""Folders that a runner can time at once: models of one operator each."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from nas.measuring import Model, Plan
from nas.measuring.runtime import open_runtime

SHAPE = (1, 4, 8, 8)


def tiny_plan(rounds: int = 2, models: int = 2) -> Plan:
    """A plan of additions; no model gets more rounds than these, and none is repeated for a slow moment."""
    return Plan(
        runtime="onnxruntime",
        dtype="float32",
        threads=1,
        batch=1,
        space="tiny",
        resolution=8,
        channels=3,
        classes=5,
        models=tuple(Model(name=f"add {n}", file=f"models/{n}.onnx", inputs=(SHAPE, SHAPE)) for n in range(models)),
        rounds=rounds,
        most_rounds=rounds,
        slowed=1e6,
    )


def tiny_folder(folder: Path, plan: Plan) -> Path:
    """The plan with its models and what runs them."""
    (folder / "models").mkdir(parents=True)
    for number, model in enumerate(plan.models):
        onnx.save(_addition(number), folder / model.file)
    plan.write(folder, open_runtime("onnxruntime")[0].loader)
    return folder


def _addition(number: int) -> onnx.ModelProto:
    """x + y, under a name of its own, so that no two files are the same."""
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in ("x", "y")]
    found = helper.make_tensor_value_info("z", TensorProto.FLOAT, SHAPE)
    graph = helper.make_graph([helper.make_node("Add", ["x", "y"], ["z"])], f"addition{number}", given, [found])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
