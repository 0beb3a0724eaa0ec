"""The score of a sub-network: its own statistics, its own weights, whatever was scored before."""

from __future__ import annotations

import dataclasses
from typing import Any, NoReturn, cast

import numpy as np
import pytest
import torch
from torch import nn

from nas.choices import Choice
from nas.data import Batch, ImageData, fixed_batches, load_data
from nas.elastic import Depth, ElasticBatchNorm2d, ElasticConv2d, ElasticLinear
from nas.searching import Evaluator
from nas.searching.evaluate import score
from nas.supernet import Space, Supernet, Task


class Network(nn.Module):
    def __init__(self, task: Task) -> None:
        super().__init__()
        width = Choice("width", (4, 8))

        def block(index: int) -> nn.Module:
            convolution = ElasticConv2d(width, width, Choice(f"kernel{index}", (3, 5)), groups=width)
            return nn.Sequential(convolution, ElasticBatchNorm2d(width), nn.ReLU())

        self.stem = nn.Sequential(ElasticConv2d(1, width, 3), ElasticBatchNorm2d(width), nn.ReLU())
        self.blocks = Depth([block(0), block(1)], Choice("depth", (1, 2)))
        self.dropout = nn.Dropout(0.5)
        self.classifier = ElasticLinear(width, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.dropout(self.blocks(self.stem(x)).mean((2, 3))))  # type: ignore[no-any-return]


class Forbidden:
    """A split that may not be looked at."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError("test images were read")

    def __len__(self) -> int:
        raise AssertionError("test images were counted")


@pytest.fixture(scope="module")
def data() -> ImageData:
    return dataclasses.replace(load_data("digits", resolution=8), test=cast(Any, Forbidden()))


@pytest.fixture(scope="module")
def batches(data: ImageData) -> tuple[list[Batch], list[Batch]]:
    """Calibration in equal batches, validation in unequal ones."""
    return list(fixed_batches(data, "train", 32, limit=128)), list(fixed_batches(data, "validation", 50, limit=180))


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """Every architecture."""
    space = Space("tiny", Network, task=Task(1, 8, 10))
    return np.unique(space.decisions.sample(np.random.default_rng(0), 500), axis=0)


@pytest.fixture
def supernet() -> Supernet:
    made = Space("tiny", Network, task=Task(1, 8, 10)).supernet(1, 8, 10, seed=4)
    # Scores that differ more than those of fresh weights do.
    torch.nn.init.normal_(made.get_parameter("network.classifier.weight"), generator=torch.Generator().manual_seed(0))
    return made


def test_the_order_of_candidates_changes_nothing(
    supernet: Supernet, batches: tuple[list[Batch], list[Batch]], rows: np.ndarray
) -> None:
    evaluator = Evaluator(supernet, *batches)
    assert len(rows) == 12
    forward = {row.tobytes(): evaluator(row) for row in rows}
    backward = {row.tobytes(): evaluator(row) for row in [*rows[::-1], *rows[::-1]]}
    assert forward == backward
    alone = {row.tobytes(): Evaluator(supernet, *batches)(row) for row in rows}
    assert forward == alone
    assert len({result["loss"] for result in forward.values()}) == len(rows)


def test_it_equals_the_extracted_network_with_statistics_from_plain_torch(
    supernet: Supernet, batches: tuple[list[Batch], list[Batch]], rows: np.ndarray
) -> None:
    calibration, validation = batches
    evaluator = Evaluator(supernet, calibration, validation)
    for row in rows:
        found = evaluator(row)
        network = supernet.eval().extract(row)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None  # a cumulative average
                module.train()
        with torch.no_grad():
            for batch in calibration:
                network(batch.images)
        network.eval()
        with torch.no_grad():
            scores = torch.cat([network(batch.images) for batch in validation])
        targets = torch.cat([batch.targets for batch in validation])
        assert found["loss"] == pytest.approx(nn.functional.cross_entropy(scores, targets).item(), rel=1e-4)
        right = int((scores.argmax(1) == targets).sum())
        assert found["top1"] == pytest.approx(100 * right / len(targets), abs=100 / len(targets) + 1e-9)
        lent = supernet.extract(row, evaluator.statistics(row))
        assert score(lent, validation)["loss"] == pytest.approx(found["loss"], rel=1e-5)


def test_the_statistics_are_those_of_the_training_images_not_of_the_scored(
    supernet: Supernet, batches: tuple[list[Batch], list[Batch]], rows: np.ndarray
) -> None:
    calibration, validation = batches
    whole = Evaluator(supernet, calibration, validation)(rows[0])
    parts = [Evaluator(supernet, calibration, [batch])(rows[0]) for batch in validation]
    counts = [len(batch.targets) for batch in validation]
    assert len(set(counts)) == 2
    for name in ("top1", "loss"):
        mean = sum(part[name] * count for part, count in zip(parts, counts, strict=True)) / sum(counts)
        assert whole[name] == pytest.approx(mean, rel=1e-6)
    elsewhere = Evaluator(supernet, [Batch(calibration[0].images + 1, calibration[0].targets)], validation)
    assert elsewhere(rows[0])["loss"] != pytest.approx(whole["loss"], rel=1e-3)


def test_evaluation_leaves_the_supernet_as_it_was(
    supernet: Supernet, batches: tuple[list[Batch], list[Batch]], rows: np.ndarray
) -> None:
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    evaluator = Evaluator(supernet, *batches)
    for row in rows[:4]:
        evaluator(row)
    after = supernet.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in supernet.parameters())
    norms = [module for module in supernet.modules() if isinstance(module, ElasticBatchNorm2d)]
    assert all(norm.statistics is None and norm.collecting is None for norm in norms)


def test_a_network_in_training_is_evaluated_without_dropout(
    supernet: Supernet, batches: tuple[list[Batch], list[Batch]], rows: np.ndarray
) -> None:
    evaluator = Evaluator(supernet.train(), *batches)
    assert evaluator(rows[0]) == evaluator(rows[0])


class Fixed(nn.Module):
    """Returns the images as scores."""

    def __init__(self) -> None:
        super().__init__()
        self.device_tells = nn.Parameter(torch.zeros(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + self.device_tells


def test_a_score_is_what_one_computes_by_hand() -> None:
    """Batches of three and one: each image counts the same."""
    odds = torch.tensor([[1.0, 3.0], [4.0, 1.0], [1.0, 1.5]])
    first = Batch(odds.log(), torch.tensor([1, 1, 1]))
    second = Batch(torch.tensor([[2.0, 8.0]]).log(), torch.tensor([1]))
    losses = [-np.log(3 / 4), -np.log(1 / 5), -np.log(1.5 / 2.5), -np.log(8 / 10)]
    found = score(Fixed(), [first, second])
    assert found.keys() == {"top1", "loss"}
    assert found["top1"] == 75.0
    assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-6)
    assert not any(parameter.grad is not None for parameter in Fixed().parameters())
