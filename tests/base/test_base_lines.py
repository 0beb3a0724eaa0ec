"""Files that grow by lines: whole lines are kept, a cut one is not, and what cannot be read or written is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.base.errors import NasError
from nas.base.lines import append_lines, read_lines


def test_lines_are_kept_and_a_cut_one_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lines"
    assert read_lines(path, "lines") == []
    append_lines(path, ["one", "zwölf"])
    append_lines(path, ["three"], lasting=False)
    with path.open("ab") as file:
        file.write(b"fo")
    assert read_lines(path, "lines") == [b"one", "zwölf".encode(), b"three"]
    assert path.read_bytes().endswith(b"three\n")
    path.write_bytes(b"cut")
    assert read_lines(path, "lines") == [] and path.read_bytes() == b""


def test_what_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(NasError, match=f"lines {tmp_path} cannot be read: Is a directory"):
        read_lines(tmp_path, "lines")
    with pytest.raises(NasError, match=f"cannot write {tmp_path}"):
        append_lines(tmp_path, ["one"])
