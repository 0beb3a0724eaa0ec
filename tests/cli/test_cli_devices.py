"""`nas devices add` and `nas devices remove`, as typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nas.cli.app import app
from nas.costs import devices

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
    assert (listed["my-phone"]["source"], listed["my-phone"]["operators"]) == ("measured by me", 1)
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


def partial_pixel() -> dict[str, Any]:
    """The Pixel 1 without one of its operators."""
    table = devices()["pixel1"].model_dump(mode="json", by_alias=True)
    lost = "40x28x28->40x28x28 act=relu expand=6 kernel=5"
    operators = [one for one in table["operators"] if lost not in one["key"]]
    assert len(operators) < len(table["operators"])
    return table | {"name": "part", "aliases": [], "operators": operators}


@pytest.mark.slow
def test_what_a_table_lacks_is_estimated_only_when_asked_and_marked() -> None:
    Path("part.json").write_text(json.dumps(partial_pixel()))
    assert typed("devices", "add", "part.json")[0] == 0
    found = json.loads(typed("devices", "part", "--estimates", "--json")[1])["estimates"]
    assert [kind["kind"] for kind in found] == ["mbconv"]
    assert "within 10 %" in typed("devices", "part", "--estimates")[1]
    search = ["search", "--target", "part-latency=120ms", "--objective", "naswot", "--strategy", "random", "--evaluations", "4"]
    code, _, err = typed(*search)
    assert code == 2 and "--allow-estimates" in err
    code, out, err = typed(*search, "--proxy-images", "2", "--allow-estimates", "--out", "run")
    assert code == 0, err
    results = json.loads(Path("run/results.json").read_text())
    source = results["latency"]["part-latency"]
    networks = [results["winner"], *results["runners_up"]]
    marked = [network["estimated"]["part-latency"]["count"] for network in networks if network["estimated"]]
    assert marked, "one of a few random networks has the operator"
    assert source["what"] == "summed from measured and estimated operators"
    assert source["estimates"]["kinds"][0]["quality"]["error"] < 5
    for text in (out, Path("run/README.md").read_text(), typed("show", "run")[1]):
        assert "contains estimates" in text and "Cross-validated, estimates of mbconv operators are" in text
    assert f"({marked[0]} of" in out
    assert "--allow-estimates" in results["next"][-1]
    assert json.loads(typed("resume", "run", "--json")[1])["latency"] == results["latency"]
