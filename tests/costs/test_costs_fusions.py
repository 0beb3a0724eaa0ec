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
from nas.costs.table import SAVINGS
from nas.measuring.onnx_block import write_onnx_block
from nas.supernet import Space, open_space

REPEATING = [[2, 2, 3, 2, 0, 2], [1, 2, 1, 2, 1, 4]]
"""Cells by their edges' operators: three poolings of one tensor; two sums of the same two tensors."""


def optimised(network: nn.Module, shape: tuple[int, ...], folder: Path) -> collections.Counter[str]:
    """How many nodes of each kind onnxruntime runs."""
    write_onnx_block(network, [shape], folder / "network.onnx")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(folder / "network.onnx"), options)
    return collections.Counter(node.op_type for node in onnx.load(str(folder / "optimised.onnx")).graph.node)


def left(space: Space, rows: np.ndarray) -> dict[str, np.ndarray]:
    """How many sums, activations and poolings with a kernel are not saved, for rows (N, D): (N,) each."""
    walk = space.walk()
    fusions = Fusions(walk)
    codes = {name: rows[:, column].astype(np.int64) for name, column in space.decisions.column.items()}
    counts = {kind: np.zeros(len(rows), int) for kind in ("elementwise", "activation", "pool")}
    for step, operator in enumerate(walk.operators):
        counted = {"elementwise": len(operator.inputs) > 1, "activation": True, "pool": "kernel" in operator.attributes}
        if counted.get(operator.kind, False):
            saved = [np.asarray(evaluate(value, codes)) != 0 for value in fusions.of(step).values()]
            run = np.asarray(evaluate(operator.guard, codes), bool)
            counts[operator.kind] += run & ~np.any([np.broadcast_to(each, len(rows)) for each in [False, *saved]], axis=0)
    return counts


@pytest.mark.skipif(platform.machine() != "x86_64", reason="onnxruntime has these kernels on x86 alone")
def test_what_is_left_is_what_onnxruntime_runs(tmp_path: Path) -> None:
    space = open_space("cells:nas-bench-201")
    drawn = space.decisions.sample(np.random.default_rng(3), 6)
    rows = np.concatenate([drawn, np.array(REPEATING, np.uint8)])
    counts = left(space, rows)
    for number, row in enumerate(space.decode(rows)):
        found = optimised(space.network(row, space.task).eval(), (1, 3, 32, 32), tmp_path)
        assert found["Add"] == counts["elementwise"][number], row
        # The blocks that halve the resolution pool, too.
        assert found["AveragePool"] == counts["pool"][number], row
        # The batch norm before the last ReLU becomes a convolution, which takes that in.
        assert counts["activation"][number] - found["Relu"] in (0, 1), row


def test_keys_say_where_something_is_saved_and_nothing_elsewhere() -> None:
    keys = list(required_keys(open_space("cells:nas-bench-201").walk()))
    assert "elementwise 16x32x32->16x32x32" in keys and "elementwise 16x32x32->16x32x32 into_conv=1" in keys
    assert "conv_norm 16x32x32->16x32x32 conv=3x3 free_act=1 relu=1" in keys
    assert "pool 16x32x32->16x32x32 kernel=3 repeated=1 stride=1" in keys
    assert not any(f"{name}=0" in key for key in keys for name in SAVINGS)


def test_a_table_without_such_keys_is_read_as_before(table: Callable[..., LatencyTable]) -> None:
    space = open_space("cells:nas-bench-201")
    walk = space.walk()
    plain = {key: 1.0 for key in required_keys(walk) if not any(name in key for name in SAVINGS)}
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
