"""What a task tells of outputs beside its metrics: of each name by itself, how far networks agree, what a file keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.base.errors import NasError
from nas.data.tasks import Classification, MultiLabel, Regression, kind_in, task_in
from nas.exporting import Preprocessing

SEVERAL = MultiLabel(("a", "b", "c"))
NUMBERS = Regression(("age", "size"), (10.0, -1.0), (2.0, 0.5))


def test_classes() -> None:
    task = Classification(tuple("abcdefg"))
    scores = np.eye(7, dtype=np.float32)[[0, 1, 2, 2]] + np.linspace(0.1, 0, 7, dtype=np.float32)
    targets = np.array([0, 1, 2, 6])
    assert task.by_name(scores, targets) == {
        name: {"images": 1, "top1": value} for name, value in zip("abcg", (100.0,) * 3 + (0.0,), strict=True)
    }
    assert task.further(scores, targets) == {"top5": 75.0}
    assert Classification(("a", "b")).further(scores[:2, :2], targets[:2]) == {"top5": None}
    assert task.agreed(scores, np.roll(scores, 1, axis=0)) == 25.0


def test_labels() -> None:
    scores = np.array([[2, -1, -3], [1, 1, -2], [-1, 2, -1]], dtype=np.float32)
    targets = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=np.float32)
    found = SEVERAL.by_name(scores, targets)
    assert set(found) == {"a", "b"} and found["b"] == {"images": 2, "ap": 100.0}
    assert found["a"]["ap"] == pytest.approx(100 * (1 + 2 / 3) / 2)
    assert SEVERAL.agreed(scores, -scores) == 0 and SEVERAL.agreed(scores, scores * 2) == 100


def test_numbers() -> None:
    targets = np.array([[0, 0], [1, 1], [2, -1]], dtype=np.float32)
    scores = targets + np.array([[1, 0]], dtype=np.float32)
    found = NUMBERS.by_name(scores, targets)
    assert found["age"] == pytest.approx({"r2": 1 - 3 / 2, "rmse": 2.0}) and found["size"] == {"r2": 1.0, "rmse": 0.0}
    assert NUMBERS.agreed(scores, targets) == pytest.approx(0.5)


@pytest.mark.parametrize("task", [Classification(("x", "y")), SEVERAL, NUMBERS])
def test_a_task_is_known_again(task: Any) -> None:
    assert task_in(task.describe(), task.names) == task
    made = Preprocessing(task, (3, 8, 8), (0.1,) * 3, (0.2,) * 3, {})
    assert Preprocessing.from_json(made.to_json(), Path("file")) == made
    old = {name: value for name, value in made.to_json().items() if name in ("classes", "input_shape", "mean", "std")}
    assert Preprocessing.from_json(old, Path("file")).task.kind == "classification", "earlier versions knew classes alone"


@pytest.mark.parametrize(
    "wrong", [{"task": "poetry"}, {"task": []}, {"target_std": [1.0]}, {"target_std": [1.0, 0.0]}, {"target_mean": "ab"}]
)
def test_what_a_stranger_wrote_is_refused(wrong: dict[str, Any]) -> None:
    content = Preprocessing(NUMBERS, (3, 8, 8), (0.1,) * 3, (0.2,) * 3, {}).to_json()
    with pytest.raises(NasError, match="does not say how pictures are to be prepared"):
        Preprocessing.from_json({**content, **wrong}, Path("file"))
    assert kind_in({}) is Classification
