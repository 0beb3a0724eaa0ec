"""Sums and activations that onnxruntime saves between units are those that the keys of a table tell apart."""

from __future__ import annotations

import collections
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from torch import nn

from nas.choices import evaluate
from nas.costs import LatencyTable, compile_cost, latency_terms, required_keys
from nas.costs.fusions import Fusions
from nas.measuring.onnx_block import write_onnx_block
from nas.supernet import Space, open_space


def optimised(network: nn.Module, shape: tuple[int, ...], folder: Path) -> collections.Counter[str]:
    """How many nodes of each kind onnxruntime runs."""
    write_onnx_block(network, [shape], folder / "network.onnx")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(folder / "network.onnx"), options)
    return collections.Counter(node.op_type for node in onnx.load(str(folder / "optimised.onnx")).graph.node)


def left(space: Space, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many sums and activations are not saved, for rows (N, D): (N,) each."""
    walk = space.walk()
    fusions = Fusions(walk)
    codes = {name: rows[:, column].astype(np.int64) for name, column in space.decisions.column.items()}
    counts = {"elementwise": np.zeros(len(rows), int), "activation": np.zeros(len(rows), int)}
    for step, operator in enumerate(walk.operators):
        if operator.kind in counts and (operator.kind == "activation" or len(operator.inputs) > 1):
            saved = next(iter(fusions.of(step).values()), 0)
            run = np.asarray(evaluate(operator.guard, codes), bool) & (np.asarray(evaluate(saved, codes)) == 0)
            counts[operator.kind] += run
    return counts["elementwise"], counts["activation"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="onnxruntime has these kernels on x86 alone")
def test_what_is_left_is_what_onnxruntime_runs(tmp_path: Path) -> None:
    space = open_space("cells:nas-bench-201")
    rows = space.decisions.sample(np.random.default_rng(3), 6)
    sums, activations = left(space, rows)
    for row, ours in zip(space.decode(rows), zip(sums, activations, strict=True), strict=True):
        found = optimised(space.network(row, space.task).eval(), (1, 3, 32, 32), tmp_path)
        assert found["Add"] == ours[0], row
        # The batch norm before the last ReLU becomes a convolution, which takes that in.
        assert ours[1] - found["Relu"] in (0, 1), row


def test_keys_say_where_something_is_saved_and_nothing_elsewhere() -> None:
    keys = list(required_keys(open_space("cells:nas-bench-201").walk()))
    assert "elementwise 16x32x32->16x32x32" in keys and "elementwise 16x32x32->16x32x32 into_conv=1" in keys
    assert "conv_norm 16x32x32->16x32x32 conv=3x3 free_act=1 relu=1" in keys
    assert not any("into_conv=0" in key or "free_act=0" in key for key in keys)


def test_a_table_without_such_keys_is_read_as_before(table: Callable[..., LatencyTable]) -> None:
    space = open_space("cells:nas-bench-201")
    walk = space.walk()
    plain = {key: 1.0 for key in required_keys(walk) if "into_conv" not in key and "free_act" not in key}
    task = {"resolution": 32, "channels": 3, "classes": 10}
    before, telling = table(plain, **task), table(dict.fromkeys(required_keys(walk), 1.0), **task)
    assert (before.tells_fusions, telling.tells_fusions) == (False, True)
    rows = space.decisions.sample(np.random.default_rng(0), 50)
    # Where every entry takes as long, the sums are the numbers of entries, which are the same.
    sums = [compile_cost(space.decisions, latency_terms(walk, one))(rows) for one in (before, telling)]
    np.testing.assert_array_equal(*sums)


def test_spaces_of_many_choices_tell_nothing_apart(mbconv: Space) -> None:
    fusions = Fusions(mbconv.walk())
    assert not fusions.known and fusions.of(0) == {}
