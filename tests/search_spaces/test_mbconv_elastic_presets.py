"""What holds for every MBConv preset of elastic stages: exactness, counts, identity, speed, small pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from exactness import assert_exact
from mbconv_contracts import SMALL, assert_onnx
from torch import nn
from typer.testing import CliRunner

from nas.architectures.decisions import Rows
from nas.choices import evaluate
from nas.cli.app import app
from nas.elastic import ElasticBatchNorm2d
from nas.supernet import Space, Task, open_space

PRESETS = ("ofa", "ofa-proxyless", "ofa-resnet50", "attentive", "bignas")


@pytest.fixture(scope="module", params=PRESETS)
def space(request: pytest.FixtureRequest) -> Space:
    return open_space(f"mbconv:{request.param}")


def rows_of(space: Space, count: int) -> Rows:
    """The smallest, the largest, and random architectures."""
    random = space.decisions.sample(np.random.default_rng(3), count)
    return np.asfortranarray(np.concatenate([space.encode([space.smallest, space.largest]), random]))


def test_supernet_extracted_and_counts_agree(space: Space) -> None:
    assert_exact(space, rows_of(space, 1)[1:], SMALL)


@pytest.mark.slow
def test_supernet_extracted_and_counts_agree_for_many(space: Space) -> None:
    assert_exact(space, rows_of(space, 50), SMALL)


@pytest.mark.slow
def test_onnx_agrees(tmp_path: Path) -> None:
    space = open_space("mbconv:ofa")
    assert_onnx(space, space.encode([space.smallest])[0], tmp_path, calibrated=False)


@pytest.mark.slow
def test_onnx_agrees_for_several(space: Space, tmp_path: Path) -> None:
    for row in rows_of(space, 3):
        assert_onnx(space, row, tmp_path, calibrated=False)


@pytest.mark.slow
def test_a_short_search_under_multiply_adds(space: Space, tmp_path: Path) -> None:
    budget = ["--steps", "2", "--evaluations", "3", "--validation-images", "64", "--calibration-images", "64"]
    limit = round(space.compiled("macs")(rows_of(space, 1_000)).mean())
    run = tmp_path / "run"
    arguments = ["search", "--space", space.name, "--target", f"macs<={limit}", *budget, "--out", str(run)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    winner = space.validate(json.loads((run / "winner.json").read_text())["architecture"])
    assert space.cost("macs", winner) <= limit


def test_options_go_from_the_smallest_network_to_the_largest(space: Space) -> None:
    rows = space.decisions.sample(np.random.default_rng(5), 2_000)
    largest = space.encode([space.largest])
    for metric in ("macs", "params"):
        costs = space.compiled(metric)
        assert costs(space.encode([space.smallest]))[0] <= costs(rows).min()
        assert costs(rows).max() <= costs(largest)[0]
        for column in range(len(space.decisions)):
            chain = np.repeat(largest, space.decisions.cardinalities[column], axis=0)
            chain[:, column] = np.arange(len(chain))
            assert (np.diff(costs(space.decisions.canonical(chain))) >= 0).all(), space.decisions.names[column]


def test_blocks_that_are_left_out_have_no_decisions(space: Space) -> None:
    for architecture in space.decode(rows_of(space, 20)):
        for name in architecture:
            stage, _, rest = name.partition(".block")
            if rest and f"{stage}.depth" in space.decisions.column:
                assert int(rest.split(".")[0]) <= int(architecture[f"{stage}.depth"])


def test_resolution_is_exact_at_the_papers_task_and_in_proportion_elsewhere(space: Space) -> None:
    resolution = space.decisions.choices[space.decisions.column["resolution"]]
    assert resolution.options[-1] == space.task.resolution
    for task, expected in ((space.task, list(resolution.options)), (Task(3, space.task.resolution // 2), None)):
        resize = next(op for op in space.walk(task).operators if op.kind == "resize")
        sides = [evaluate(resize.output.shape[-1], {"resolution": code}) for code in range(len(resolution.options))]
        assert sides == (expected or [round(int(option) / 2) for option in resolution.options])


def test_no_batch_norm_mixes_the_statistics_of_sub_networks(space: Space) -> None:
    modules = list(space.supernet(1, 32, 10).modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in modules)
    assert any(isinstance(module, ElasticBatchNorm2d) for module in modules)


def test_a_hundred_thousand_architectures_are_encoded_and_costed_at_once(space: Space) -> None:
    rows = space.decisions.sample(np.random.default_rng(0), 100_000)
    costs = [space.compiled(metric)(rows) for metric in ("macs", "params")]
    assert len(space.decisions.one_hot(rows)) == len(costs[0]) == len(costs[1]) == 100_000


@pytest.mark.parametrize("task", [Task(1, 28, 7), Task(3, 75, 3)], ids=str)
def test_any_picture_and_any_number_of_classes(space: Space, task: Task) -> None:
    supernet = space.supernet(task.channels, task.resolution, task.classes)
    for row in rows_of(space, 1)[::2]:
        assert supernet.extract(row).eval()(torch.randn(1, *task.input_shape)).shape == (1, task.classes)
