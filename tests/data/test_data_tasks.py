"""What a task minimises and measures, against scikit-learn and formulas written out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, log_loss, r2_score
from sklearn.utils.class_weight import compute_class_weight

from nas.base.errors import NasError
from nas.data.tasks import HEADLINES, METRICS, TASKS, Classification, LearningTask, MultiLabel, Regression
from nas.data.tasks.multi_label import mean_average_precision

SEEDS = st.integers(0, 10_000)


def metered(task: LearningTask, scores: torch.Tensor, targets: torch.Tensor, sizes: Sequence[int]) -> dict[str, float]:
    meter = task.meter()
    for one, other in zip(scores.split(list(sizes)), targets.split(list(sizes)), strict=True):
        meter.add(one, other)
    return meter.result()


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, images=st.integers(4, 30), levels=st.sampled_from([2, 5, 1000]))
def test_average_precision_is_that_of_scikit_learn(seed: int, images: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (images, 3)) / levels  # few levels make ties
    targets = (rng.random((images, 3)) < 0.4).astype(float)
    targets[0] = 1
    expected = np.mean([average_precision_score(targets[:, k], scores[:, k]) for k in range(3)])
    assert mean_average_precision(scores, targets) == pytest.approx(100 * expected, abs=1e-9)


def test_labels_without_images_do_not_count() -> None:
    scores, targets = np.array([[0.9, 0.1], [0.1, 0.2]]), np.array([[1.0, 0.0], [0.0, 0.0]])
    assert mean_average_precision(scores, targets) == 100.0
    assert mean_average_precision(scores, np.zeros((2, 2))) == 0.0


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_figures_do_not_depend_on_batches_and_are_scikit_learns(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn((12, 3), generator=generator)
    classes = torch.randint(0, 3, (12,), generator=generator)
    numbers = torch.randn((12, 3), generator=generator)
    found = metered(Classification(("a", "b", "c")), scores, classes, [5, 7])
    assert found["top1"] == pytest.approx(100 * float((scores.argmax(1) == classes).double().mean()))
    assert found["loss"] == pytest.approx(log_loss(classes, scores.double().softmax(1), labels=[0, 1, 2]), rel=1e-5)
    labels = (numbers > 0).float()
    labels[0] = 1
    found, whole = (metered(MultiLabel(("a", "b", "c")), scores, labels, sizes) for sizes in ([5, 7], [12]))
    assert found == whole and found["loss"] == pytest.approx(float(F.binary_cross_entropy(scores.sigmoid(), labels)), rel=1e-5)
    found = metered(Regression(("a", "b", "c"), (0.0,) * 3, (1.0, 2.0, 3.0)), scores, numbers, [5, 7])
    assert found["r2"] == pytest.approx(r2_score(numbers, scores), rel=1e-6)
    errors = (scores - numbers).double().numpy() * [1, 2, 3]
    assert found["rmse"] == pytest.approx(float(np.sqrt((errors**2).mean())), rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(1, 30), min_size=2, max_size=5))
def test_balanced_weights_are_scikit_learns_and_1_on_average(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    task = Classification(tuple(map(str, range(len(counts))))).balanced(labels)
    assert task.weights == pytest.approx(compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels))
    assert np.array(task.weights)[labels].mean() == pytest.approx(1)


def test_weighted_losses_are_sums_over_images() -> None:
    generator = torch.Generator().manual_seed(0)
    scores, classes = torch.randn((10, 3), generator=generator), torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 2, 2])
    task = Classification(("a", "b", "c")).balanced(classes.numpy())
    assert task.weights == pytest.approx((10 / 15, 10 / 9, 10 / 6))
    each = F.cross_entropy(scores, classes, reduction="none") * torch.tensor(task.weights)[classes]
    assert float(task.loss(scores, classes)) == pytest.approx(float(each.sum()) / 10)
    # Halves of a batch add up to the whole, as in several processes.
    halves = [float(task.loss(scores[part], classes[part])) for part in (slice(0, 5), slice(5, 10))]
    assert sum(halves) / 2 == pytest.approx(float(task.loss(scores, classes)))
    assert float(task.loss(scores, task.mixable(classes))) == pytest.approx(float(task.loss(scores, classes)))


def test_weighted_labels_weigh_presence_and_absence_alike() -> None:
    labels = np.array([[1, 0], [1, 1], [1, 0], [0, 0]], dtype=np.float32)
    task = MultiLabel(("often", "rare")).balanced(labels)
    assert np.array(task.weights) == pytest.approx(np.array([[4 / 6, 4 / 2], [4 / 2, 4 / 6]]))
    scores = torch.zeros(4, 2, dtype=torch.float64)
    assert float(task.loss(scores, torch.from_numpy(labels))) == pytest.approx(float(np.log(2)))
    plain = MultiLabel(("often", "rare"), ((1.0, 1.0), (1.0, 1.0)))
    noise = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    unweighted = MultiLabel(("often", "rare")).loss(noise, torch.from_numpy(labels))
    assert float(plain.loss(noise, torch.from_numpy(labels))) == pytest.approx(float(unweighted))
    with pytest.raises(NasError, match="cannot weigh the label 'all'"):
        MultiLabel(("all", "some")).balanced(np.array([[1, 0], [1, 1]], dtype=np.float32))
    with pytest.raises(NasError, match="weighs classes, and numbers have none"):
        Regression(("x",)).balanced(labels)


def test_every_task_names_its_figures() -> None:
    assert HEADLINES == ("top1", "map", "r2") and set(METRICS) == {"top1", "map", "r2", "rmse", "loss"}
    scores = torch.tensor([[0.3, -1.0], [0.2, 0.1]])
    for task, targets in zip(TASKS, (torch.tensor([0, 1]), torch.eye(2), torch.eye(2)), strict=True):
        assert set(metered(task(("a", "b")), scores, targets, [2])) == {metric.name for metric in task.metrics}


def test_without_weights_classes_are_scored_as_ever() -> None:
    scores, classes = torch.randn((10, 3), generator=torch.Generator().manual_seed(0)), torch.arange(10) % 3
    task = Classification(("a", "b", "c"))
    assert torch.equal(task.loss(scores, classes, 0.1), F.cross_entropy(scores, classes, label_smoothing=0.1))


@pytest.mark.parametrize("task", [Regression(("a",)), MultiLabel(("a",)), MultiLabel(("a",), ((2.0, 0.5),))])
def test_targets_are_not_rounded_to_the_precision_of_scores(task: LearningTask) -> None:
    scores, targets = torch.tensor([[0.5], [2.0]]), torch.tensor([[0.123456], [0.987654]])
    assert float(task.loss(scores.bfloat16(), targets)) == pytest.approx(float(task.loss(scores, targets)), rel=1e-6)
