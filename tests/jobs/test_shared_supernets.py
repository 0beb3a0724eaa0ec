"""One trained supernet, by whatever trainer, serves any number of searches and says what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nas import jobs
from nas.choices import Choice
from nas.elastic import Depth, ElasticBatchNorm2d, ElasticConv2d, ElasticLinear
from nas.runs import RunConfig, prepare
from nas.supernet import Space, Task
from nas.supernet.weights import load_tensors
from nas.training import train

pytestmark = pytest.mark.usefixtures("without_onnx")

STEPS = 6


class Small(nn.Module):
    """Elastic width, kernel and depth."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        width = Choice("width", (8, 12, 16))

        def block(index: int) -> nn.Module:
            kernel = Choice(f"kernel{index}", (3, 5))
            layers = (ElasticConv2d(width, width, kernel, groups=width), ElasticBatchNorm2d(width), nn.ReLU())
            return nn.Sequential(*layers)

        self.stem = nn.Sequential(ElasticConv2d(task.channels, width, 3, stride=2), ElasticBatchNorm2d(width), nn.ReLU())
        self.blocks = Depth([block(0), block(1)], Choice("depth", (1, 2)))
        self.classifier = ElasticLinear(width, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.blocks(self.stem(x)).mean((2, 3)))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def space() -> Space:
    return Space("small", Small, task=Task(1, 16, 10))


OPTIONS: dict[str, Any] = {"resolution": 16, "steps": STEPS, "compute": "cpu", "seed": 2}


def stored(path: Path) -> dict[str, torch.Tensor]:
    tensors, _ = load_tensors(path / "supernet" / "weights.safetensors", "weights")
    return {name.removeprefix("weights/"): value for name, value in tensors.items()}


@pytest.mark.parametrize("trainer", [pytest.param("uniform", marks=pytest.mark.slow), "sandwich"])
def test_several_searches_share_what_one_trainer_made(space: Space, tmp_path: Path, trainer: str) -> None:
    settings = {"batch_size": 16, "average": 0.5}
    trained = jobs.train(space, out=tmp_path / "trained", trainer=trainer, settings=settings, cutmix=1.0, **OPTIONS)
    facts = json.loads((tmp_path / "trained" / "supernet" / "supernet.json").read_text())
    assert facts["space"] == "small"
    assert facts["trainer"] == trainer
    assert facts["recipe"]["average"] == 0.5
    assert facts["recipe"]["batch_size"] == 16
    assert facts["data"]["name"] == "digits"
    assert facts["data"]["fingerprint"]
    assert facts["seed"] == 2
    assert facts["metrics"]["steps"] == STEPS
    assert set(facts["metrics"]) >= {"seconds", "last_loss"}
    before = stored(trained.path)
    winners = []
    for number, target in enumerate((["macs<=40k"], [], [])):
        more = {"resolution": 16, "evaluations": 4, "compute": "cpu", "seed": 2, "strategy": "random"}
        found = jobs.search(space, target, out=tmp_path / f"search{number}", supernet=str(trained.path), **more)
        assert not (found.path / "supernet").exists()
        assert found.results["training"]["trainer"] == trainer
        assert found.results["training"]["recipe"] == facts["recipe"]
        winners.append(found.results["winner"])
    assert winners[0]["costs"]["macs"] <= 40e3
    assert winners[1] == winners[2]
    after = stored(trained.path)
    assert all(torch.equal(before[name], after[name]) for name in before), "searches leave it as it was"


def test_the_weights_that_are_kept_are_the_averaged_ones(space: Space, tmp_path: Path) -> None:
    kept = {}
    for name, average in (("averaged", 0.5), ("last", None)):
        settings = {"batch_size": 16, "average": average}
        jobs.train(space, out=tmp_path / name, settings=settings, **OPTIONS)
        kept[name] = stored(tmp_path / name)
        stepper = prepare(RunConfig.checked(settings=settings, **OPTIONS), space).stepper(STEPS)
        train(stepper)
        assert all(torch.equal(value, kept[name][key]) for key, value in stepper.supernet.state_dict().items())
    assert any(not torch.equal(kept["averaged"][key], kept["last"][key]) for key in kept["last"])


def test_a_search_that_trains_by_itself_uses_the_averaged_weights(space: Space, tmp_path: Path) -> None:
    settings = {"batch_size": 16, "average": 0.5}
    one = jobs.search(space, out=tmp_path / "one", settings=settings, evaluations=3, strategy="random", **OPTIONS)
    more = {"evaluations": 3, "strategy": "random", "resolution": 16, "compute": "cpu", "seed": 2}
    again = jobs.search(space, out=tmp_path / "two", supernet=str(one.path), **more)
    assert one.results["winner"] == again.results["winner"]
