"""Ctrl-C: exit code 130, and one line that says how to go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from nas.cli.app import app
from nas.cli.guard import guarded


def stop(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        (["measure", "--space", "mbconv"], "nas.jobs.measuring.measure"),
        (["bench", "--table", "results.csv"], "nas.jobs.benching.bench"),
    ],
)
def test_what_goes_on_by_itself_says_so(
    arguments: list[str], called: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(called, stop)
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stderr) == (130, "nas: interrupted; the same command goes on\n")


def test_a_run_is_gone_on_with_by_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, guarded(False, [Path("runs/a")]):
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "nas: interrupted; go on with: nas resume runs/a\n"
