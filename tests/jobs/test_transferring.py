"""`nas devices propose` and `transfer`: from networks that are measured to a table that searches use."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from nas.base.errors import NasError
from nas.choices import Choice
from nas.cli.app import app
from nas.costs import devices, install_table
from nas.costs.table import LatencyTable
from nas.elastic import ElasticConv2d, ElasticLinear
from nas.jobs.known_devices import known_devices
from nas.jobs.transferring import propose_networks, transfer_device
from nas.supernet import Space, Task
from nas.supernet.estimated import estimated


class Tiny(nn.Module):
    """A convolution of either of two kernels."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv = ElasticConv2d(channels, 4, Choice("kernel", (1, 3)))
        self.head = ElasticLinear(4, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x).mean((2, 3)))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def other(**fields: object) -> LatencyTable:
    """The Pixel 1 under another name."""
    pixel = devices()["pixel1"].model_dump(by_alias=True)
    return LatencyTable.model_validate(pixel | {"name": "other", "aliases": ()} | fields)


def fill(space: Space, milliseconds: Callable[[float], float], out: str = "mine.csv") -> None:
    """Measure the proposed networks on a device that is a function of the Pixel 1."""
    with Path("networks.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    with Path(out).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["architecture", "ms"])
        for line in lines:
            writer.writerow(
                [line["architecture"], milliseconds(space.cost("pixel1-latency", space.parse(line["architecture"])))]
            )


def typed(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_from_proposal_to_search(mbconv: Space) -> None:
    code, out, err = typed("devices", "propose", "--networks", "8", "--known", "pixel")
    assert code == 0, err
    assert "Wrote 8 networks" in out and "224 px" in out
    fill(mbconv, lambda ms: 3 * ms)
    code, out, err = typed(
        "devices", "transfer", "--measured", "mine.csv", "--name", "mine", "--known", "pixel", "--threads", "2"
    )
    assert code == 0, err
    assert (
        "estimated by transfer from 8 networks" in out and "nas search --space mbconv:single-path --target mine-latency=" in out
    )
    table = devices()["mine"]
    assert table.threads == 2 and table.runtime is None
    assert table.estimated is not None and table.estimated.startswith(
        "by transfer from 8 networks measured on the device and from pixel1"
    )
    known = mbconv.known["mnasnet-b1"]
    assert mbconv.cost("mine-latency", known) == pytest.approx(3 * mbconv.cost("pixel1-latency", known), rel=0.01)
    whole = estimated(mbconv, "mine-latency", mbconv.encode([known])[0])
    assert whole is not None and whole.count == whole.operators == 20
    search = ["search", "--target", "mine-latency=240ms", "--objective", "naswot", "--strategy", "random", "--evaluations", "2"]
    code, out, err = typed(*search, "--proxy-images", "2", "--out", "run")
    assert code == 0, err
    assert "mine-latency: estimated: by transfer from 8 networks" in out and "operators estimated)" in out


def test_a_proposal_is_the_same_again_and_never_overwrites_measurements(mbconv: Space) -> None:
    first = propose_networks(mbconv, 5, "a.csv", ["pixel1"])
    assert propose_networks(mbconv, 5, "b.csv", ["pixel1"])["architectures"] == first["architectures"]
    assert Path("a.csv").read_text() == Path("b.csv").read_text()
    assert propose_networks(mbconv, 5, "c.csv", ["pixel1"], seed=1)["architectures"] != first["architectures"]
    with pytest.raises(NasError, match=r"a\.csv is there already"):
        propose_networks(mbconv, 5, "a.csv", ["pixel1"])


def test_nothing_is_installed_from_what_says_too_little(mbconv: Space) -> None:
    propose_networks(mbconv, 6, "networks.csv", ["pixel1"])
    fill(mbconv, lambda ms: ms)
    lines = Path("mine.csv").read_text().splitlines()
    wrong = {
        "few.csv": ("\n".join(lines[:4]), "at least 4 networks"),
        "empty.csv": (Path("networks.csv").read_text(), "at least 4 networks"),
        "zero.csv": ("\n".join([*lines[:5], lines[5].rsplit(",", 1)[0] + ",0"]), "above zero"),
        "two.csv": ("architecture,a,b\n" + "\n".join(line + ",1" for line in lines[1:]), "'ms'"),
        "none.csv": ("network,ms\n", "no column 'architecture'"),
    }
    for name, (content, words) in wrong.items():
        Path(name).write_text(content)
        with pytest.raises(NasError, match=words):
            transfer_device(mbconv, name, "mine", ["pixel1"])
    for name in ("pixel1", "pixel", "My Phone", "add"):
        with pytest.raises(NasError, match=r"name|called"):
            transfer_device(mbconv, "mine.csv", name, ["pixel1"])
    assert not Path("home").exists()


def test_a_transferred_table_is_replaced_only_when_asked_and_is_no_base_of_its_own(mbconv: Space) -> None:
    propose_networks(mbconv, 6, "networks.csv", ["pixel1"])
    fill(mbconv, lambda ms: ms)
    transfer_device(mbconv, "mine.csv", "mine", ["pixel1"])
    with pytest.raises(NasError, match="--replace"):
        transfer_device(mbconv, "mine.csv", "mine", ["pixel1"])
    transfer_device(mbconv, "mine.csv", "mine", ["pixel1"], replace=True)
    assert "mine" not in {table.name for table in known_devices(mbconv)}


def test_known_devices_are_those_that_were_measured_alike(mbconv: Space) -> None:
    tiny = Space("tiny", lambda task: Tiny(task.channels, task.classes), task=Task(3, 8, 5))
    install_table(other())
    assert {"other", "pixel1"} <= {table.name for table in known_devices(mbconv)}
    names = {table.name for table in known_devices(mbconv, but="other")}
    assert "pixel1" in names and "other" not in names
    install_table(other(batch=8), replace=True)
    with pytest.raises(NasError, match=r"'pixel1' .*'other' .*alike"):
        known_devices(mbconv, ["pixel1", "other"])
    with pytest.raises(NasError, match="nothing to transfer from"):
        known_devices(tiny)
    with pytest.raises(NasError, match="lacks"):
        known_devices(tiny, ["pixel1"])


def test_json(mbconv: Space) -> None:
    code, out, _ = typed("devices", "propose", "--networks", "4", "--known", "pixel", "--json")
    assert code == 0 and len(json.loads(out)["architectures"]) == 4
    fill(mbconv, lambda ms: ms / 2)
    found = json.loads(
        typed("devices", "transfer", "--measured", "mine.csv", "--name", "mine", "--known", "pixel", "--json")[1]
    )
    assert (found["networks"], found["known"], found["name"]) == (4, ["pixel1"], "mine")
    assert found["error"] < 5
