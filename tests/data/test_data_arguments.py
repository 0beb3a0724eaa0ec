"""load_data says in one sentence what is wrong with its arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.base.errors import NasError
from nas.data import load_data


def test_unknown_name_lists_the_legal_ones_and_suggests() -> None:
    with pytest.raises(
        NasError, match=r"unknown data 'digts'; legal: digits, the path of a folder, the path of a CSV file\. Did you mean"
    ):
        load_data("digts")


@pytest.mark.parametrize("as_path", [True, False])
def test_missing_path(tmp_path: Path, as_path: bool) -> None:
    missing = tmp_path / "none"
    with pytest.raises(NasError, match="none does not exist"):
        load_data(missing if as_path else str(missing))


def test_path_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "cat.png"
    file.write_bytes(b"")
    with pytest.raises(NasError, match=r"cat\.png is a file"):
        load_data(file)


@pytest.mark.parametrize(
    "fractions",
    [
        {"validation": 0.0},
        {"validation": 1.0},
        {"test": 0.0},
        {"test": -0.1},
        {"validation": 0.5, "test": 0.5},
        {"test": float("nan")},
    ],
)
def test_fractions_that_leave_no_split(fractions: dict[str, Any]) -> None:
    with pytest.raises(NasError, match="legal: each between 0 and 1, and less than 1 together"):
        load_data(**fractions)


@pytest.mark.parametrize("resolution", [-1, 0, 7, 1025])
def test_resolution_out_of_range(resolution: int) -> None:
    with pytest.raises(NasError, match=f"resolution {resolution} is out of range; legal: 8 to 1024"):
        load_data(resolution=resolution)


def test_negative_seed() -> None:
    with pytest.raises(NasError, match="seed -1 is negative"):
        load_data(seed=-1)
