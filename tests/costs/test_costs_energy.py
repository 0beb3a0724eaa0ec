"""Energy where a table has it: a metric of its own, summed as latency is; all entries have it, or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.base.errors import NasError
from nas.costs import Estimator, devices, install_table, load_table
from nas.searching import parse_target
from nas.supernet import Space


@pytest.fixture
def fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The Pixel 1 under another name, with three millijoules for each millisecond."""
    monkeypatch.setenv("NAS_HOME", str(tmp_path / "home"))
    found = devices()["pixel1"].model_dump(mode="json", by_alias=True) | {"name": "board", "aliases": ["mine"]}
    for part in (*found["operators"], *found["groups"]):
        part["mj"] = 3 * part["ms"]
    return found


def written(folder: Path, fields: dict[str, Any]) -> Path:
    path = folder / "board.json"
    path.write_text(json.dumps(fields))
    return path


def test_energy_is_summed_as_latency_is(tmp_path: Path, fields: dict[str, Any], mbconv: Space, mbconv_rows: np.ndarray) -> None:
    install_table(load_table(written(tmp_path, fields)))
    energy = mbconv.cost("board-energy", mbconv_rows)
    np.testing.assert_allclose(energy, 3 * mbconv.cost("board-latency", mbconv_rows))
    np.testing.assert_allclose(mbconv.cost("mine-energy", mbconv_rows), energy)
    target = parse_target("mine-energy<=0.2J", mbconv)
    assert (target.metric, target.limit, target.quantity.format(target.limit)) == ("board-energy", 200.0, "200.00 mJ")
    assert "board-energy" in mbconv.metrics() and "pixel1-energy" not in mbconv.metrics()


def test_what_is_estimated_of_energy_is_energy(tmp_path: Path, fields: dict[str, Any]) -> None:
    table = load_table(written(tmp_path, fields))
    assert table.energy is not None
    asked = ["mbconv 16x112x112->24x56x56 act=relu expand=4 kernel=3 residual=0 squeeze=0 stride=2"]
    np.testing.assert_allclose(Estimator(table.energy)(asked), 3 * Estimator(table)(asked), rtol=1e-3)


def test_some_energies_alone_are_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    del fields["operators"][7]["mj"]
    with pytest.raises(NasError, match=r"board\.json is not valid: operators\.7 has no mj"):
        load_table(written(tmp_path, fields))


def test_a_device_without_energies_says_so(fields: dict[str, Any], mbconv: Space) -> None:
    with pytest.raises(NasError, match="Table 'pixel1' has latencies alone"):
        parse_target("pixel-energy<=5mJ", mbconv)
    with pytest.raises(NasError, match="unknown device 'pixle'"):
        parse_target("pixle-energy<=5mJ", mbconv)
