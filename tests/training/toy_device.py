"""A device whose table covers one space, with milliseconds that no two of its operators have in common."""

from __future__ import annotations

import pytest

import nas.costs.tabled
from nas.costs import LatencyTable, required_keys
from nas.costs.devices import Devices
from nas.supernet import Space


def install_toy_device(monkeypatch: pytest.MonkeyPatch, space: Space) -> None:
    """Make the metric 'toy-latency' known for a space; nothing is measured."""
    keys = sorted(required_keys(space.walk()))
    table = LatencyTable.model_validate(
        {
            "schema": 1,
            "name": "toy",
            "device": "toy",
            "runtime": None,
            "dtype": "float32",
            "threads": 1,
            "batch": 1,
            "resolution": space.task.resolution,
            "channels": space.task.channels,
            "classes": space.task.classes,
            "source": "made up",
            "licence": "none",
            "operators": [{"key": key, "ms": 0.1 + 0.37 * number} for number, key in enumerate(keys)],
        }
    )
    monkeypatch.setattr(nas.costs.tabled, "devices", lambda: Devices([table]))
