"""Text that ought to be JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.architectures import Architecture
from nas.base.errors import NasError
from nas.base.files import read_json
from nas.base.json_text import parsed
from nas.cli.together import compute_of

DEEP = "[" * 100_000


def test_what_it_holds() -> None:
    assert parsed('{"a": [1, null]}') == {"a": [1, None]}
    assert parsed(b'"\xc3\xa9"') == "é"


@pytest.mark.parametrize("text", ["", "{", "[1,]", b"\xff", DEEP, '{"a": ' * 100_000], ids=lambda text: repr(text[:8]))
def test_anything_else_is_one_kind_of_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parsed(text)


def test_files_and_architectures_that_are_nested_too_deeply(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(DEEP)
    with pytest.raises(NasError, match=r"run manifest cannot be read: .*nested too deeply"):
        read_json(tmp_path / "manifest.json", "run manifest")
    with pytest.raises(NasError, match="not an architecture in JSON: it is nested too deeply"):
        Architecture.parse(DEEP)
    assert compute_of(tmp_path) == "auto"
