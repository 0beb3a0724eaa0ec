"""Measuring over SSH, against OpenSSH's own server."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ssh_server import MISSING, SSHD, Server, make_key, ssh_server
from tiny_plans import tiny_folder, tiny_plan
from typer.testing import CliRunner

from nas.base.errors import NasError
from nas.base.progress import Silent
from nas.cli.app import app
from nas.measuring import Connection, open_connection, read_timings

pytestmark = pytest.mark.skipif(SSHD is None, reason=MISSING)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with ssh_server(tmp_path_factory.mktemp("ssh")) as server:
        yield server


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A known host; the other side starts without files of ours."""
    monkeypatch.setenv("HOME", str(running.home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    shutil.rmtree(running.home / ".cache", ignore_errors=True)
    (running.home / ".ssh/config").unlink(missing_ok=True)
    running.trust()
    return running


@pytest.fixture
def python(server: Server, tmp_path: Path) -> Path:
    """The board's Python. It notes how it was called, and keeps the timings: the folder there is removed at the end."""
    return script(tmp_path / "python", f'echo "$@" >> {tmp_path}/calls; {sys.executable} -E "$@"; code=$?', keep(tmp_path))


def keep(folder: Path) -> str:
    return f'[ -f "$2/timings.jsonl" ] && cp "$2/timings.jsonl" {folder}/kept.jsonl; exit $code'


def script(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)
    return path


def opened(server: Server, python: Path | str | None = None) -> Connection:
    return open_connection(server.address, None if python is None else str(python))


class Cutting(Silent):
    """Pulls the cable once so many rounds are over, and counts the models that are copied."""

    def __init__(self, server: Server | None = None, at: str = "round 4 ") -> None:
        self.server, self.at, self.title, self.copied = server, at, "", 0

    def start(self, title: str, total: int, done: int = 0) -> None:
        self.title = title

    def advance(self, done: int, note: str = "") -> None:
        self.copied += self.title == "copying"
        if self.server is not None and self.title.startswith(self.at):
            self.server.cut()
            self.server = None


def test_timings_come_back_as_they_were_taken_there(server: Server, python: Path, tmp_path: Path) -> None:
    plan = tiny_plan(rounds=3)
    folder = tiny_folder(tmp_path / "here", plan)
    opened(server, python).run(folder, plan, Silent())
    assert (folder / "timings.jsonl").read_text() == (tmp_path / "kept.jsonl").read_text()
    timings = read_timings(folder, plan)
    assert timings.finished and [figure.count for figure in timings.figures.values()] == [3, 3]
    assert not list((server.home / ".cache/nas").iterdir()), "nothing is left there"
    (tmp_path / "calls").unlink()
    opened(server, python).run(folder, plan, Silent())
    assert not (tmp_path / "calls").exists(), "what is here already is not asked for"


def test_a_connection_that_breaks_loses_nothing(server: Server, python: Path, tmp_path: Path) -> None:
    plan = tiny_plan(rounds=60)
    folder = tiny_folder(tmp_path / "here", plan)
    first = Cutting(server)
    with pytest.raises(NasError, match=r"was lost.*the same command goes on"):
        opened(server, python).run(folder, plan, first)
    there = next((server.home / ".cache/nas").iterdir())
    before = (there / "timings.jsonl").read_bytes().splitlines(keepends=True)
    assert first.copied == 2 and len(before) >= 9 and not read_timings(folder, plan).finished
    cut = there / plan.models[1].file
    cut.write_bytes(cut.read_bytes()[:20])  # as one that was not copied to its end
    second = Cutting()
    opened(server, python).run(folder, plan, second)
    after = (folder / "timings.jsonl").read_bytes()
    assert after == (tmp_path / "kept.jsonl").read_bytes() and after.startswith(b"".join(before[:9]))
    counts = [figure.count for figure in read_timings(folder, plan).figures.values()]
    assert second.copied == 1 and counts == [60, 60]
    entries = [(entry["round"], entry["model"]) for entry in map(json.loads, after.splitlines()) if entry["model"] >= 0]
    assert len(entries) == len(set(entries)), "nothing is timed twice"


def test_an_unknown_host_key_is_refused_with_its_fingerprint(server: Server, tmp_path: Path) -> None:
    (server.home / ".ssh/known_hosts").unlink()
    for setting in ("", "Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile none\n"):
        (server.home / ".ssh/config").write_text(setting)
        with pytest.raises(NasError) as refused:
            opened(server).require(tiny_plan(), tiny_folder(tmp_path / f"here{len(setting)}", tiny_plan()) / "loader.py")
        assert server.fingerprint in str(refused.value) and f"ssh-keyscan -p {server.port} 127.0.0.1" in str(refused.value)
    assert not (server.home / ".cache").exists()


def test_another_key_than_the_known_one_is_refused(server: Server, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    server.trust(tmp_path / "other")
    with pytest.raises(NasError, match="another key than it used to") as refused:
        opened(server).require(tiny_plan(), tiny_folder(tmp_path / "here", tiny_plan()) / "loader.py")
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in str(refused.value)


def test_a_login_that_is_refused(server: Server, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    (server.home / ".ssh/config").write_text(f"Host *\n  IdentityFile {tmp_path}/stranger\n  IdentitiesOnly yes\n")
    with pytest.raises(NasError, match=f"refuses the login of '{server.user}'.*ssh-copy-id -p {server.port}"):
        opened(server).require(tiny_plan(), tiny_folder(tmp_path / "here", tiny_plan()) / "loader.py")


def test_names_of_the_users_own_settings(server: Server, python: Path, tmp_path: Path) -> None:
    lines = ["Host MyBoard", "HostName 127.0.0.1", f"Port {server.port}", f"User {server.user}"]
    (server.home / ".ssh/config").write_text("\n  ".join(lines) + "\n")
    open_connection("ssh://MyBoard", str(python)).require(tiny_plan(), tiny_folder(tmp_path / "h", tiny_plan()) / "loader.py")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["exit 127"], "has no .*--python"),
        (["echo Python 3.8.10"], "is Python 3.8.10; the runner needs 3.9 or newer"),
        (
            ["[ $1 = -V ] && exec echo Python 3.9.1", "echo 'no module numpy' >&2; exit 1"],
            "cannot run models: no module numpy",
        ),
        (["[ $1 = -V ] && exec echo Python 3.9.1", "echo well"], r"does not answer as the runner does: welcome\nwell"),
    ],
)
def test_what_a_board_lacks_is_said_before_models_are_copied(
    server: Server, tmp_path: Path, lines: list[str], words: str
) -> None:
    folder = tiny_folder(tmp_path / "here", tiny_plan())
    with pytest.raises(NasError, match=words):
        opened(server, script(tmp_path / "python", *lines)).require(tiny_plan(), folder / "loader.py")


def test_a_full_disk_and_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "here", tiny_plan())
    full = script(tmp_path / "python", f"""{sys.executable} -E "$@" | sed 's/"free": [0-9]*/"free": 9000/'""")
    with pytest.raises(NasError, match=r"0 MB free where \.cache/nas is"):
        opened(server, full).run(folder, tiny_plan(), Silent())
    shutil.rmtree(server.home / ".cache")
    (server.home / ".cache").write_text("a file")
    with pytest.raises(NasError, match="no folder can be made"):
        opened(server, sys.executable).require(tiny_plan(), folder / "loader.py")
    (server.home / ".cache").unlink()


def test_a_runner_that_fails_there(server: Server, tmp_path: Path) -> None:
    plan = tiny_plan()
    folder = tiny_folder(tmp_path / "here", plan)
    (folder / plan.models[1].file).write_bytes(b"no model")
    with pytest.raises(NasError, match=r"measuring on ssh://.* stopped: .*1\.onnx"):
        opened(server, sys.executable).run(folder, plan, Silent())


SPACE = """
from torch import nn
from nas.choices import Choice
from nas.elastic import ElasticConv2d, ElasticLinear
from nas.supernet import Space, Task

class Tiny(nn.Module):
    def __init__(self, task):
        super().__init__()
        width = Choice("width", (2, 4))
        self.stem = ElasticConv2d(task.channels, width, 3)
        self.head = ElasticLinear(width, task.classes)

    def forward(self, x):
        return self.head(self.stem(x).mean((2, 3)))

SPACE = Space("tiny", Tiny, task=Task(3, 8, 5))
"""


def test_the_command(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAS_HOME", str(tmp_path / "home"))
    Path("space.py").write_text(SPACE)
    words = ["measure", "--space", "space.py:SPACE", "--device", server.address, "--rounds", "1", "--python", sys.executable]
    unnamed = CliRunner().invoke(app, words)
    assert unnamed.exit_code == 2 and "--name" in unnamed.stderr
    done = CliRunner().invoke(app, [*words, "--name", "board", "--json"])
    assert done.exit_code == 0, done.stderr
    table = json.loads(Path("home/devices/board.json").read_text())
    assert len(table["operators"]) == json.loads(done.stdout)["operators"] > 2
    there = json.loads(Path("measurements/board/connection.json").read_text())
    assert there == {"device": server.address}
    # Timings of two machines do not meet in one folder.
    Path("measurements/board/device.json").unlink()
    elsewhere = CliRunner().invoke(app, ["measure", "--space", "space.py:SPACE", "--device", "board", "--rounds", "1"])
    assert elsewhere.exit_code == 2 and f"holds timings of {server.address}, not of this machine" in elsewhere.stderr
