"""Two processes over gloo train as one process does with the whole batch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from ranks_worker import CASES, case_stepper, learnt, one_network, run_in_two_processes
from safetensors.torch import load_file
from tiny_training import same, weights

from nas.training import Ranks, train


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the two processes left: a folder for each rank."""
    folder = tmp_path_factory.mktemp("ranks")
    run_in_two_processes("every_case", folder)
    return folder


@pytest.fixture(scope="module")
def told(folder: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / str(rank) / "told.json").read_text()) for rank in (0, 1)]


def left(folder: Path, rank: int, name: str) -> dict[str, torch.Tensor]:
    return load_file(folder / str(rank) / f"{name}.safetensors")


def distance(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    return max(float((first[name] - second[name]).abs().max()) for name in first)


@pytest.mark.parametrize("name", [name for name in CASES if name != "conv-local"])
def test_two_processes_equal_one_with_the_whole_batch(folder: Path, name: str) -> None:
    stepper = case_stepper(name)
    start = learnt(stepper)
    losses = train(stepper).losses
    alone, together = learnt(stepper), left(folder, 0, name)
    for rule in (False, True):
        moved = {key: value for key, value in start.items() if key.startswith("rule.") is rule}
        assert not moved or distance(moved, alone) > (1e-3 if rule else 1e-2), "something was learnt"
    assert together.pop("losses").tolist() == pytest.approx(losses, abs=2e-5)
    for weight, value in alone.items():
        torch.testing.assert_close(together[weight], value, atol=5e-5, rtol=1e-4, msg=weight)


def test_without_common_statistics_batch_norms_see_their_own_images(folder: Path) -> None:
    alone = case_stepper("conv-local")
    train(alone)
    together = left(folder, 0, "conv-local")
    together.pop("losses")
    assert distance(weights(alone.supernet), together) > 1e-3


def test_what_batch_norms_of_one_network_keep_is_that_of_all_images(folder: Path) -> None:
    whole = one_network()
    train(whole)
    mean = weights(whole.supernet)["1.running_mean"]
    assert float(mean.abs().max()) > 1e-4
    torch.testing.assert_close(left(folder, 0, "alone")["1.running_mean"], mean, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", [*CASES, "alone", "stopped", "resumed"])
def test_the_processes_hold_the_same_weights_to_the_bit(folder: Path, name: str) -> None:
    assert same(left(folder, 0, name), left(folder, 1, name))


def test_a_stopped_training_of_two_processes_is_resumed_to_the_bit(folder: Path) -> None:
    whole, resumed = left(folder, 0, "conv-sandwich"), left(folder, 0, "resumed")
    assert same(whole, resumed)
    stopped = left(folder, 0, "stopped")
    stopped.pop("losses")
    assert distance(stopped, whole) > 1e-4


def test_what_is_shared_gathered_averaged_and_read(told: list[dict[str, Any]]) -> None:
    for rank in (0, 1):
        assert told[rank]["shared"] == "first"
        assert told[rank]["gathered"] == [0, 10]
        assert told[rank]["averaged"] == [[[0.5] * 3] * 2, 5.0]
        assert told[rank]["file"] == "content"
        assert told[rank]["no file"] is None


def test_a_rule_that_learns_apart_is_found_out(told: list[dict[str, Any]]) -> None:
    for rank in (0, 1):
        assert "the processes' weights differ after step 1: trainer Apart" in told[rank]["apart"]


def test_one_process_needs_no_group(tmp_path: Path) -> None:
    ranks = Ranks()
    assert ranks.leads
    assert ranks.share(lambda: 3) == 3
    assert ranks.gather(4) == [4]
    ranks.wait()
    tensor = torch.tensor([1.0])
    ranks.average([tensor])
    assert tensor.item() == 1.0
    (tmp_path / "file").write_text("x")
    for path, found in ((tmp_path / "file", tmp_path / "file"), (tmp_path / "nothing", None), (None, None)):
        with ranks.file(path) as given:
            assert given == found


@pytest.mark.slow
def test_every_trainer_keeps_the_processes_together(tmp_path: Path) -> None:
    run_in_two_processes("every_trainer", tmp_path)
    assert [json.loads((tmp_path / str(rank) / "wrong.json").read_text()) for rank in (0, 1)] == [{}, {}]
