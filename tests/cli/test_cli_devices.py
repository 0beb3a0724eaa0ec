"""`nas devices add` and `nas devices remove`, as typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nas.cli.app import app

TABLE: dict[str, Any] = {
    "schema": 1,
    "name": "my-phone",
    "device": "a phone of mine",
    "runtime": "onnxruntime",
    "dtype": "float32",
    "threads": 1,
    "batch": 1,
    "resolution": 8,
    "channels": 3,
    "classes": 5,
    "source": "measured by me",
    "licence": "none",
    "operators": [{"key": "toy 1->1", "ms": 1.5}],
}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def typed(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_add_list_show_replace_and_remove() -> None:
    Path("mine.json").write_text(json.dumps(TABLE))
    code, out, err = typed("devices", "add", "mine.json")
    assert code == 0, err
    assert "Added 'my-phone'" in out and "nas search --target my-phone-latency=LIMIT" in out
    listed = {row["name"]: row for row in json.loads(typed("devices", "--json")[1])["devices"]}
    assert (listed["my-phone"]["from"], listed["pixel1"]["from"]) == ("you", "a package")
    assert "measured by me" in typed("devices", "my-phone")[1]
    code, _, err = typed("devices", "add", "mine.json")
    assert code == 2 and "--replace" in err
    assert json.loads(typed("devices", "add", "mine.json", "--replace", "--json")[1])["name"] == "my-phone"
    assert typed("devices", "remove", "my-phone")[0] == 0
    code, _, err = typed("devices", "my-phone")
    assert code == 2 and "unknown device 'my-phone'" in err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({**TABLE, "name": "pixel1"}, "pixel1"),
        ({**TABLE, "name": "My Phone"}, "name"),
        ({**TABLE, "resolution": -1}, "resolution"),
        ([], "not valid"),
        (None, "does not exist"),
    ],
)
def test_what_is_no_table_is_told_and_nothing_is_installed(content: object, words: str) -> None:
    if content is not None:
        Path("mine.json").write_text(json.dumps(content))
    code, out, err = typed("devices", "add", "mine.json")
    assert code == 2 and words in err and "Traceback" not in out + err
    assert not Path("home").exists()


def test_a_table_that_ships_is_not_removed() -> None:
    code, _, err = typed("devices", "remove", "pixel1")
    assert code == 2 and "ships" in err
