"""Table files: what is wrong with one is told with the file and the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nas.base.errors import NasError
from nas.costs import LatencyTable, load_table
from nas.costs.devices import Devices

GOOD: dict[str, Any] = {
    "schema": 1,
    "name": "toy",
    "aliases": ["plaything"],
    "device": "a toy",
    "runtime": None,
    "dtype": "float32",
    "threads": None,
    "batch": 1,
    "resolution": 8,
    "channels": 3,
    "classes": 5,
    "source": "made up",
    "licence": "none",
    "operators": [
        {"key": "a 1->1", "ms": 1.5, "spread": 0.1, "count": 50},
        {"key": "b 1->1", "ms": 0.0, "position": "x"},
    ],
    "groups": [{"keys": ["c 1->1"], "ms": 2.0}],
}


def written(folder: Path, content: object) -> Path:
    path = folder / "toy.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_good_table_is_read(tmp_path: Path) -> None:
    table = load_table(written(tmp_path, GOOD))
    assert (table.name, table.device, table.resolution) == ("toy", "a toy", 8)
    assert table.lookup("a 1->1") == 1.5
    assert table.lookup("b 1->1", "x") == table.lookup("b 1->1", "y") == 0.0
    assert table.lookup("c 1->1") is None
    assert table.kinds == {"a", "b", "c"}


def operators(*entries: dict[str, Any]) -> dict[str, Any]:
    return {**GOOD, "operators": list(entries)}


BAD: dict[str, tuple[object, str]] = {
    "unknown field": ({**GOOD, "colour": "red"}, "colour"),
    "unknown field of an operator": (operators({"key": "a", "ms": 1.0, "unit": "s"}), r"operators\.0\.unit"),
    "negative": (operators({"key": "a", "ms": 1.0}, {"key": "b", "ms": -1.0}), r"operators\.1\.ms is -1.*constant"),
    "constant": ({**GOOD, "constant": {"ms": 1.0}}, r"constant\.keys"),
    "infinite constant": (json.dumps({**GOOD, "constant": {"keys": [], "ms": float("inf")}}), r"constant\.ms"),
    "no resolution": ({**GOOD, "resolution": []}, "resolution"),
    "one of several resolutions": ({**GOOD, "resolution": [8, 0]}, "resolution"),
    "operator of another resolution": (
        operators({"key": "a", "ms": 1.0, "resolution": 9}),
        r"operators\.0\.resolution is 9.*8 px",
    ),
    "duplicate resolution": (
        operators({"key": "a", "ms": 1.0, "resolution": 8}, {"key": "a", "ms": 2.0, "resolution": 8}),
        r"'a' twice.*8 px",
    ),
    "not a number": (operators({"key": "a", "ms": "fast"}), r"operators\.0\.ms"),
    "NaN": (json.dumps(operators({"key": "a", "ms": float("nan")})), r"operators\.0\.ms"),
    "infinite": (json.dumps(operators({"key": "a", "ms": float("inf")})), r"operators\.0\.ms"),
    "duplicate key": (operators({"key": "a", "ms": 1.0}, {"key": "a", "ms": 2.0}), r"'a' twice"),
    "duplicate position": (
        operators({"key": "a", "ms": 1.0, "position": "p"}, {"key": "a", "ms": 2.0, "position": "p"}),
        r"'a' twice.*\bp\b",
    ),
    "group": ({**GOOD, "groups": [{"keys": ["c"], "ms": -2}]}, r"groups\.0\.ms"),
    "missing field": ({name: value for name, value in GOOD.items() if name != "source"}, "source"),
    "schema of the future": ({**GOOD, "schema": 2}, "schema"),
    "no schema": ({name: value for name, value in GOOD.items() if name != "schema"}, "schema"),
    "name": ({**GOOD, "name": "Big Toy"}, "name"),
    "resolution": ({**GOOD, "resolution": 0}, "resolution"),
    "a list": ([GOOD], "dictionary|object"),
    "bad JSON": ("{not json", r"line 1"),
    "empty": ("", r"line 1"),
}


@pytest.mark.parametrize("mistake", BAD)
def test_a_malformed_table_is_told_with_file_and_field(tmp_path: Path, mistake: str) -> None:
    content, words = BAD[mistake]
    path = written(tmp_path, content)
    with pytest.raises(NasError, match=words) as caught:
        load_table(path)
    assert str(path) in str(caught.value)


def test_a_table_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "toy.json").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "toy.json", tmp_path / "nowhere.json"):
        with pytest.raises(NasError, match=path.name):
            load_table(path)


def test_two_tables_cannot_share_a_name() -> None:
    first = LatencyTable.model_validate(GOOD)
    second = LatencyTable.model_validate({**GOOD, "name": "plaything", "aliases": []})
    with pytest.raises(NasError, match="'plaything'"):
        Devices([first, second])
    assert list(Devices([first])) == ["toy"]
