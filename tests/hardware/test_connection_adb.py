"""Measuring through adb, against a recorded exchange: no phone takes part."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_plans import tiny_folder, tiny_plan
from typer.testing import CliRunner

from nas.base.errors import NasError
from nas.base.progress import Silent
from nas.cli.app import app
from nas.measuring import Connection, open_connection, read_timings, runner

RECORDED = Path(__file__).parent / "adb_exchange.json"

PLAYER = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
position = folder / "position"
number = int(position.read_text()) if position.exists() else 0
exchange = json.loads((folder / "exchange.json").read_text())
if number >= len(exchange) or exchange[number]["argv"] != sys.argv[1:]:
    wanted = exchange[number]["argv"] if number < len(exchange) else "nothing"
    (folder / "wrong").write_text(f"call {{number}} was {{sys.argv[1:]}}, not {{wanted}}")
    sys.exit("not as recorded")
position.write_text(str(number + 1))
answer = exchange[number]
if "pulled" in answer:
    pathlib.Path(sys.argv[-1]).write_text("".join(line + "\\n" for line in answer["pulled"]))
if sys.argv[3] == "push" and not pathlib.Path(sys.argv[4]).is_file():
    sys.exit("adb: error: cannot stat")
sys.stdout.write("".join(line + "\\n" for line in answer.get("stdout", [])))
sys.stderr.write("".join(line + "\\n" for line in answer.get("stderr", [])))
sys.exit(answer.get("code", 0))
"""


class Device:
    """Plays an exchange; every call must be the recorded one, in order."""

    def __init__(self, folder: Path, exchange: list[dict[str, Any]], names: dict[str, str]) -> None:
        self.folder = folder
        self._length = len(exchange)
        text = json.dumps(exchange)
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", value)
        (folder / "exchange.json").write_text(text)
        (folder / "adb").write_text(PLAYER.format(python=sys.executable, folder=str(folder)))
        (folder / "adb").chmod(0o755)

    def require_played(self) -> None:
        """To its end."""
        wrong = self.folder / "wrong"
        assert not wrong.exists(), wrong.read_text()
        assert int((self.folder / "position").read_text()) == self._length


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that is looked into first."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def phone() -> Connection:
    return open_connection("adb:R58M123ABC")


def test_a_recorded_measurement(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = tiny_plan(rounds=2)
    folder = tiny_folder(tmp_path / "here", plan)
    temporary = tmp_path / "pulled"
    connection = phone()
    # Files are fetched beside their place, under names that nobody can record.
    fetch = type(connection).fetch

    def fetched(self: Any, source: str, target: Path) -> None:
        fetch(self, source, temporary)
        target.write_bytes(temporary.read_bytes())

    monkeypatch.setattr(type(connection), "fetch", fetched)
    recorded = json.loads(RECORDED.read_text())
    place = connection.place(plan)  # type: ignore[attr-defined]
    player = Device(
        path,
        recorded,
        {"here": str(folder), "source": str(Path(runner.__file__).parent), "place": place, "pulled": str(temporary)},
    )
    connection.require(plan, folder / "loader.py")
    connection.run(folder, plan, Silent())
    player.require_played()
    timings = read_timings(folder, plan)
    assert timings.finished and timings.device["processor"] == "SM-G973F"
    # All was slower in the second round, by a twentieth.
    found = {number: (figure.count, round(figure.ms, 6)) for number, figure in timings.figures.items()}
    assert found == {0: (2, 0.012), 1: (2, 0.014)}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("error: device 'R58M123ABC' not found", "USB debugging"),
        ("error: device unauthorized.", "unlock the device"),
        ("error: device offline", "is not reached"),
    ],
)
def test_a_device_that_is_not_reached(path: Path, tmp_path: Path, said: str, words: str) -> None:
    state = {"argv": ["-s", "R58M123ABC", "get-state"], "stderr": ["* daemon started successfully", said], "code": 1}
    Device(path, [state], {})
    with pytest.raises(NasError, match=words) as refused:
        phone().require(tiny_plan(), tmp_path / "loader.py")
    assert said in str(refused.value)


def test_a_phone_without_python_and_a_cable_that_is_pulled(path: Path, tmp_path: Path) -> None:
    state = {"argv": ["-s", "R58M123ABC", "get-state"], "stdout": ["device"]}
    said = {"stderr": ["/system/bin/sh: python3: inaccessible or not found"], "code": 127}
    Device(path, [state, {"argv": ["-s", "R58M123ABC", "shell", "python3 -V"], **said}], {})
    with pytest.raises(NasError, match=r"has no python3 .*inaccessible or not found"):
        phone().require(tiny_plan(), tmp_path / "loader.py")
    (path / "position").unlink()
    gone = {"stderr": ["adb: device 'R58M123ABC' not found"], "code": 1}
    Device(path, [state, {"argv": ["-s", "R58M123ABC", "shell", "python3 -V"], **gone}], {})
    with pytest.raises(NasError, match="is not reached"):
        phone().require(tiny_plan(), tmp_path / "loader.py")


def test_without_adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NasError, match="need the program adb"):
        phone().require(tiny_plan(), tmp_path / "loader.py")


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("adb:", "names no device"),
        ("serial:/dev/ttyUSB0", "unknown kind of address 'serial:'; legal: adb:, ssh:"),
        ("ssh://", "is no address of a device"),
        ("ssh://board:ssh", "is no address of a device"),
        ("ssh://me:secret@board", "password"),
        ("ssh://board/home", "is no address of a device"),
    ],
)
def test_addresses_that_mean_nothing(device: str, words: str) -> None:
    done = CliRunner().invoke(app, ["measure", "--device", device, "--name", "board"])
    assert done.exit_code == 2 and words in done.stderr and "Traceback" not in done.stderr and "secret" not in done.stderr
