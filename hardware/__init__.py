"""Devices: measured latency tables. One JSON file in `tables/` is one device; its schema is that of `nas.costs.table`."""

from __future__ import annotations

from pathlib import Path

from nas.costs import LatencyTable, load_table


def load_tables() -> list[LatencyTable]:
    """Every table that ships, in alphabetical order of the files."""
    return [load_table(path) for path in sorted((Path(__file__).parent / "tables").glob("*.json"))]
