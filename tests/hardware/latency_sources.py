"""The raw files that the tables were made from, where this machine has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import hardware

BESIDE = Path(hardware.__file__).resolve().parents[2] / "shared" / "data"
SOURCES = Path(os.environ.get("NAS_SHARED_DATA", BESIDE)) / "latency"


def source(name: str) -> str:
    """The text of a raw file; skips the test where it is absent."""
    if not (SOURCES / name).is_file():
        pytest.skip(f"{SOURCES / name} is not on this machine; NAS_SHARED_DATA names the folder of the data")
    return (SOURCES / name).read_text(encoding="utf-8")
