"""Tables that a user adds: they lie in a folder of the user's, stand beside those that ship, and never hide one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.base.errors import NasError
from nas.costs import LatencyTable, added_tables, devices, install_table, remove_table
from nas.costs.installed import user_folder
from nas.supernet import Space

MakeTable = Callable[..., LatencyTable]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "devices"


def test_an_added_table_stands_beside_those_that_ship(table: MakeTable, own_folder: Path) -> None:
    shipped = list(devices())
    added = table({"a 1->1": 1.5}, aliases=["plaything"])
    assert install_table(added) == own_folder / "toy.json"
    assert sorted(devices()) == sorted([*shipped, "toy"])
    assert devices()["plaything"] == added
    assert added_tables() == {"toy": own_folder / "toy.json"}
    remove_table("toy")
    assert list(devices()) == shipped
    assert not list(own_folder.iterdir())


@pytest.mark.parametrize("fields", [{"name": "pixel1"}, {"name": "pixel"}, {"aliases": ["pixel1"]}, {"aliases": ["pixel"]}])
def test_names_of_tables_that_ship_are_refused(table: MakeTable, own_folder: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(NasError, match=r"'pixel1?'.*Google Pixel 1"):
        install_table(table({"a 1->1": 1.0}, **fields))
    assert not own_folder.exists()


@pytest.mark.parametrize("fields", [{"name": "add"}, {"aliases": ["remove"]}, {"aliases": ["toy"]}, {"aliases": ["b", "b"]}])
def test_names_that_could_not_be_told_apart_are_refused(table: MakeTable, own_folder: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(NasError, match="called"):
        install_table(table({"a 1->1": 1.0}, **fields))
    assert not own_folder.exists()


def test_a_table_of_ones_own_is_replaced_only_when_asked(table: MakeTable) -> None:
    install_table(table({"a 1->1": 1.0}))
    with pytest.raises(NasError, match=r"--replace.*nas devices remove toy"):
        install_table(table({"a 1->1": 2.0}))
    assert devices()["toy"].lookup("a 1->1") == 1.0
    install_table(table({"a 1->1": 2.0}), replace=True)
    assert devices()["toy"].lookup("a 1->1") == 2.0


def test_two_tables_of_ones_own_cannot_share_an_alias(table: MakeTable) -> None:
    install_table(table({"a 1->1": 1.0}, aliases=["mine"]))
    with pytest.raises(NasError, match="'mine'"):
        install_table(table({"a 1->1": 1.0}, name="other", aliases=["mine"]))


def test_a_cost_follows_the_table_that_is_installed(small: Space, table: MakeTable) -> None:
    from nas.costs import required_keys

    keys = required_keys(small.walk())
    for milliseconds in (1.0, 3.0):
        install_table(table(dict.fromkeys(keys, milliseconds)), replace=True)
        assert small.cost("toy-latency", small.smallest) % milliseconds == 0
        assert small.compiled("toy-latency").minimum() >= milliseconds
    remove_table("toy")
    with pytest.raises(NasError, match="unknown device 'toy'"):
        small.cost("toy-latency", small.smallest)


def test_a_damaged_file_is_named_and_can_be_removed(own_folder: Path, table: MakeTable) -> None:
    install_table(table({"a 1->1": 1.0}))
    (own_folder / "broken.json").write_text('{"schema": 1')
    with pytest.raises(NasError, match=r"broken\.json.*nas devices remove broken"):
        devices()
    remove_table("broken")
    assert "toy" in devices()


def test_a_file_has_its_tables_name(own_folder: Path, table: MakeTable) -> None:
    path = install_table(table({"a 1->1": 1.0}))
    path.rename(own_folder / "renamed.json")
    with pytest.raises(NasError, match=r"renamed\.json holds a table called 'toy'"):
        devices()


def test_a_later_table_that_ships_does_not_silently_change_what_a_name_means(own_folder: Path, table: MakeTable) -> None:
    path = install_table(table({"a 1->1": 1.0}))
    content = json.loads(path.read_text()) | {"name": "pixel1"}
    (own_folder / "pixel1.json").write_text(json.dumps(content))
    with pytest.raises(NasError, match=r"pixel1\.json is called 'pixel1' as a table that ships"):
        devices()


@pytest.mark.parametrize(("name", "words"), [("pixel1", "ships"), ("pixel", "ships"), ("ty", "Did you mean 'toy'")])
def test_only_ones_own_are_removed(table: MakeTable, name: str, words: str) -> None:
    install_table(table({"a 1->1": 1.0}))
    with pytest.raises(NasError, match=words):
        remove_table(name)
    assert {"pixel1", "toy"} <= set(devices())


def test_the_folder_is_where_the_platform_keeps_such_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NAS_HOME")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert user_folder() == tmp_path / "data" / "nas" / "devices"
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    assert user_folder() == tmp_path / ".local" / "share" / "nas" / "devices"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert user_folder() == tmp_path / ".local" / "share" / "nas" / "devices"
