"""Searching a space of one's own: from a file by its whole path, or as an object that must be given again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nas
from nas.elastic import ElasticConv2d, ElasticLinear
from nas.jobs import finishing
from nas.jobs.searching import searched

SOURCE = """
import torch
from torch import nn

import nas
from nas.elastic import ElasticConv2d, ElasticLinear


class Tiny(nn.Module):
    task = nas.Task(1, 16, 10)

    def __init__(self, task):
        super().__init__()
        width = nas.Choice("width", (4, 8, 12))
        self.conv = ElasticConv2d(task.channels, width, 3, stride=2)
        self.head = ElasticLinear(width, task.classes)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))
"""

pytestmark = pytest.mark.usefixtures("without_onnx")

BUDGET: dict[str, Any] = {
    "steps": 2,
    "evaluations": 2,
    "validation_images": 16,
    "calibration_images": 8,
    "resolution": 16,
    "settings": {"batch_size": 4},
}


class Tiny(nn.Module):
    def __init__(self, task: nas.Task) -> None:
        super().__init__()
        width = nas.Choice("width", (4, 8, 12))
        self.conv = ElasticConv2d(task.channels, width, 3, stride=2)
        self.head = ElasticLinear(width, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))  # type: ignore[no-any-return]


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Begins a search that is interrupted after training; gives its folder."""

    def begin(space: Any, out: Path) -> Path:
        with monkeypatch.context() as patch:

            def stop(*_: Any, **_more: Any) -> None:
                raise KeyboardInterrupt

            patch.setattr(finishing, "searched", stop)
            with pytest.raises(KeyboardInterrupt):
                nas.search(space=space, out=out, **BUDGET)
        assert finishing.searched is searched
        return out

    return begin


def test_a_run_of_a_file_is_found_again_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: Any
) -> None:
    (tmp_path / "my_space.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    folder = interrupted("my_space.py:Tiny", tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run = nas.resume(folder)
    assert run.manifest.config.space == f"{(tmp_path / 'my_space.py').resolve()}:Tiny"
    assert run.winner["width"] in (4, 8, 12)
    assert any(f"--space {(tmp_path / 'my_space.py').resolve()}:Tiny" in command for command in run.results["next"])


def test_a_run_notices_that_its_space_has_changed(tmp_path: Path, interrupted: Any) -> None:
    path = tmp_path / "my_space.py"
    path.write_text(SOURCE)
    folder = interrupted(f"{path}:Tiny", tmp_path / "run")
    path.write_text(SOURCE.replace("(4, 8, 12)", "(4, 8, 16)"))
    with pytest.raises(nas.NasError, match="not those with which this run began"):
        nas.resume(folder)
    path.unlink()
    with pytest.raises(nas.NasError, match="space file not found"):
        nas.resume(folder)


def test_a_run_of_an_object_needs_it_again(tmp_path: Path, interrupted: Any) -> None:
    space = nas.Space("tiny", Tiny, task=nas.Task(1, 16, 10))
    folder = interrupted(space, tmp_path / "run")
    with pytest.raises(nas.NasError, match=r"space 'tiny', which was given as an object .* space=THE_SPACE"):
        nas.resume(folder)
    run = nas.resume(folder, space=space)
    assert run.space.name == "tiny" and run.winner["width"] in (4, 8, 12)
    assert all("space=SPACE" in command for command in run.results["next"])
    with pytest.raises(nas.NasError, match="given as an object"):
        nas.show(folder)
    assert nas.show(folder, space=space)["layers"]


def test_an_object_that_was_opened_by_name_is_found_by_it(tmp_path: Path) -> None:
    path = tmp_path / "my_space.py"
    path.write_text(SOURCE)
    run = nas.search(space=nas.space(f"{path}:Tiny"), out=tmp_path / "run", **BUDGET)
    assert run.manifest.config.space == f"{path.resolve()}:Tiny"
    assert nas.show(tmp_path / "run")["layers"]
