"""Files are whole or absent, and every failure to read or write is one sentence."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

import pytest

from nas.base.errors import NasError
from nas.base.files import read_json, replacing, write_bytes, write_error, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_json_is_read_back_as_written(tmp_path: Path) -> None:
    content = {"name": "ä", "values": [1, 2.5, None, True]}
    write_json(tmp_path / "file.json", content)
    assert read_json(tmp_path / "file.json", "file") == content


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "file", "text")
    assert (tmp_path / "a" / "b" / "file").read_text() == "text"


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_an_exception_while_writing_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    path = tmp_path / "file"
    write_text(path, "old")
    with pytest.raises(interruption), replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise interruption
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_an_exception_while_writing_a_new_file_leaves_none(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), replacing(tmp_path / "file") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert names(tmp_path) == []


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old")
    with replacing(path) as temporary:
        assert temporary.parent == path.parent, "a rename is only atomic within one folder"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["file"]


def test_content_reaches_the_disk_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    synced, renamed = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        synced(handle)

    def replace(self: Path, target: Path) -> Path:
        events.append("rename")
        return renamed(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_text(tmp_path / "file", "text")
    assert events == ["file", "rename", "folder"]


def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "ordinary").touch()
    write_text(tmp_path / "file", "text")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_nan_is_refused_and_the_old_file_kept(tmp_path: Path) -> None:
    write_json(tmp_path / "file", 1)
    with pytest.raises(ValueError, match=r"(?i)json"):
        write_json(tmp_path / "file", float("nan"))
    assert read_json(tmp_path / "file", "file") == 1
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("place", ["write_bytes", "fsync", "mkstemp"])
def test_a_full_disk_is_said_to_be_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, place: str) -> None:
    path = tmp_path / "file"
    write_text(path, "old")

    def fail(*_: Any, **__: Any) -> NoReturn:
        raise OSError(code, os.strerror(code))

    owner: Any = {"write_bytes": Path, "fsync": os, "mkstemp": __import__("tempfile")}[place]
    with monkeypatch.context() as broken:
        broken.setattr(owner, place, fail)
        with pytest.raises(NasError, match=r"disk is full.*file.*free some space"):
            write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file, not a folder")
    with pytest.raises(NasError, match=r"cannot write .*occupied"):
        write_text(tmp_path / "occupied" / "file", "text")


def test_a_folder_without_write_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")

    # Simulated, because root may write anywhere.
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(NasError, match=r"cannot write .*file: Permission denied"):
        write_text(tmp_path / "file", "text")


def test_a_directory_in_place_of_the_file_is_an_error_and_leaves_no_trash(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(NasError, match="cannot write"):
        write_text(tmp_path / "file", "text")
    assert names(tmp_path) == ["file"]


def test_other_write_errors_keep_the_system_s_reason(tmp_path: Path) -> None:
    message = str(write_error(tmp_path / "file", OSError(errno.EROFS, "Read-only file system")))
    assert "Read-only file system" in message
    assert "full" not in message


def test_reading_a_missing_file_names_its_role_and_path(tmp_path: Path) -> None:
    with pytest.raises(NasError, match=r"run manifest not found: .*missing\.json does not exist"):
        read_json(tmp_path / "missing.json", "run manifest")


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1', b"\xff\xfe", b"\x00\x01"])
def test_reading_what_is_no_json_names_its_role_and_path(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(NasError, match=r"run manifest cannot be read: .*bad\.json"):
        read_json(tmp_path / "bad.json", "run manifest")


def test_reading_a_folder_names_its_role_and_path(tmp_path: Path) -> None:
    with pytest.raises(NasError, match="run manifest cannot be read"):
        read_json(tmp_path, "run manifest")
