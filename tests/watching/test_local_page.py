"""`nas ui`: who may look, what may be seen, and that nothing is written."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import opened_browser, seen
from filelock import FileLock
from result_tables import SMALL, all_of_small, write_results
from typer.testing import CliRunner

from nas import jobs
from nas.base.errors import NasError
from nas.cli.app import app
from nas.runs import RunFolder
from nas.supernet import open_space
from nas.watching import Watcher
from nas.watching.studies import Studies


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of a table: a run that takes no training."""
    folder, space = tmp_path_factory.mktemp("finished"), open_space(SMALL)
    results = write_results(folder / "results.csv", space, all_of_small(space), {"top1": lambda row: 50 + 3 * row.sum()})
    jobs.search(SMALL, ["macs<=1G"], evaluate=results, out=folder / "run", evaluations=8, strategy="evolution")
    return folder / "run"


@pytest.fixture
def runs(finished: Path, tmp_path: Path) -> Path:
    """Runs in every state, and what is none."""
    folder = tmp_path / "runs"
    for name in ("finished", "stopped", "damaged"):
        shutil.copytree(finished, folder / name)
    for name in ("stopped", "damaged"):
        (folder / name / "results.json").unlink()
        (folder / name / "report.html").unlink()
    (folder / "damaged" / "study.journal").write_text('{"op_code": 77}\nnonsense\n{}\n')
    (folder / "empty").mkdir()
    (folder / "elsewhere").symlink_to(finished)
    (tmp_path / "secret.html").write_text("secret")
    (folder / "stopped" / "report.html").symlink_to(tmp_path / "secret.html")
    return folder


@pytest.fixture
def server(runs: Path) -> Iterator[Watcher]:
    with Watcher(runs) as found:
        threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield found
        found.shutdown()


def get(server: Watcher, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    for name, value in ({"Host": f"localhost:{server.server_port}"} | headers).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer, answer.read()


def listed(server: Watcher) -> dict[str, dict[str, Any]]:
    _, content = get(server, "/api/runs")
    return {run["name"]: run for run in json.loads(content)["runs"]}


def test_runs_are_listed_with_their_states(server: Watcher, runs: Path) -> None:
    found = listed(server)
    assert {name: run["state"] for name, run in found.items()} == {
        "finished": "finished",
        "stopped": "stopped",
        "damaged": "damaged",
    }
    assert found["finished"]["evaluated"] == found["finished"]["evaluations"] == 8
    with FileLock(runs / "stopped" / ".lock"):
        assert listed(server)["stopped"]["state"] == "running"
    assert listed(server)["stopped"]["state"] == "stopped"


def test_looking_at_a_run_does_not_stop_it_from_going_on(runs: Path) -> None:
    folder = RunFolder(runs / "stopped")
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            _ = folder.is_held

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(20):
        with folder.locked():
            assert folder.is_held
    stop.set()
    looking.join()


def test_a_run_is_followed_while_evaluations_are_added(server: Watcher, runs: Path) -> None:
    journal = runs / "stopped" / "study.journal"
    whole = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(whole[:5]) + whole[5][:20])
    first = json.loads(get(server, "/api/run/stopped")[1])
    assert sum(len(study["numbers"]) for study in first["studies"]) == 3
    assert first["next"] == f"nas resume {runs / 'stopped'}"
    with journal.open("ab") as file:
        file.write(whole[5][20:] + whole[6])
    second = json.loads(get(server, "/api/run/stopped")[1])
    assert sum(len(study["numbers"]) for study in second["studies"]) == 5
    assert {axis["name"] for axis in second["axes"]} >= {"top1", "macs", "params"}
    space, results = open_space(SMALL), json.loads((runs / "finished" / "results.json").read_text())
    whole_run = json.loads(get(server, "/api/run/finished")[1])
    assert max(whole_run["studies"][0]["values"]["top1"]) == results["winner"]["validation"]["top1"]
    assert min(whole_run["studies"][0]["values"]["macs"]) >= space.compiled("macs").minimum()
    assert whole_run["studies"][0]["progress"][-1] == [8.0, results["winner"]["validation"]["top1"]]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:PORT", "localhost", "127.0.0.1:1", "", "localhost.evil:PORT"])
def test_pages_from_elsewhere_are_refused(server: Watcher, host: str) -> None:
    for path in ("/", "/api/runs", "/report/finished"):
        answer, content = get(server, path, Host=host.replace("PORT", str(server.server_port)))
        assert answer.status == 403 and b"<html" not in content and b"finished" not in content


@pytest.mark.parametrize(
    "path",
    [
        "/report/../finished",
        "/report/..%2f..%2fsecret.html",
        "/report/finished/../../secret.html",
        "/report/%2e%2e",
        "/api/run/elsewhere",
        "/report/elsewhere",
        "/api/run/../empty",
        "/report/stopped",
        "/report/finished%00",
        "/finished/manifest.json",
        "//[",
        "/api/run/",
    ],
)
def test_only_what_belongs_to_a_listed_run_is_served(server: Watcher, path: str) -> None:
    answer, content = get(server, path)
    assert answer.status == 404
    assert b"secret" not in content


def test_it_listens_here_alone_and_only_reads(server: Watcher, runs: Path) -> None:
    assert server.server_address[0] == "127.0.0.1"
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file() and not path.is_symlink()}
    for path in ("/", "/api/runs", "/api/run/finished", "/api/run/stopped", "/api/run/damaged", "/report/finished"):
        get(server, path)
        assert get(server, path, "HEAD")[1] == b""
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert get(server, "/api/runs", method)[0].status == 501
    after = {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file() and not path.is_symlink()}
    assert after == before
    answer, _ = get(server, "/report/finished")
    assert "sandbox" in (answer.getheader("Content-Security-Policy") or "")


def test_the_page_compares_and_follows(server: Watcher, runs: Path) -> None:
    with opened_browser() as browser, seen(browser, server.address) as found:
        page = found.page
        page.check("input[aria-label='Compare finished']")
        page.check("input[aria-label='Compare stopped']")
        page.wait_for_selector("#fronts svg path.curve.s1")
        page.click("button[data-run=stopped]")
        page.wait_for_selector("#progress svg path.curve")
        assert "nas resume" in page.inner_text("#followed-note")
        assert not found.overflows
        page.set_viewport_size({"width": 390, "height": 800})
        page.wait_for_function("document.querySelector('#fronts svg').viewBox.baseVal.width < 390")
        assert not found.overflows and not found.complaints
        assert all(address.startswith(server.address) for address in found.requests)


def test_a_journal_of_nonsense_leaves_the_others_to_be_seen(tmp_path: Path) -> None:
    (tmp_path / "study.journal").write_text('{"op_code": 4, "study_id": 3}\n')
    with pytest.raises(NasError, match="cannot be read"):
        Studies().of(tmp_path / "study.journal")
    assert Studies().of(tmp_path / "missing") == {}


@pytest.mark.parametrize(
    ("name", "content", "state"),
    [
        ("manifest.json", '{"format": 1, "kind": "search"}', "damaged"),
        ("manifest.json", "[" * 100_000, "damaged"),
        ("study.journal", "\x00\x01\n\n", "damaged"),
        ("supernet/losses.json", '{"planned": 3, "steps": [1], "losses": [NaN]}', "damaged"),
        ("supernet/losses.json", '{"planned": 3, "steps": [1, 2], "losses": [1.0]}', "damaged"),
        ("results.json", "{", "finished"),
    ],
)
def test_what_is_damaged_is_said_to_be(server: Watcher, runs: Path, name: str, content: str, state: str) -> None:
    file = runs / "finished" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    found = listed(server)["finished"]
    assert found["state"] == state
    answer, content_now = get(server, "/api/run/finished")
    assert answer.status == 200 and json.loads(content_now)["state"] == state


@pytest.mark.parametrize(
    "changes",
    [
        {"plan": {"steps": float("nan")}},
        {"plan": {"steps": "many"}},
        {"data": {"task": "to dance"}},
        {"data": {"task": []}},
    ],
)
def test_one_odd_run_leaves_the_others_to_be_seen(server: Watcher, runs: Path, changes: dict[str, Any]) -> None:
    manifest = runs / "finished" / "manifest.json"
    content = json.loads(manifest.read_text())
    del content["sha256"]
    manifest.write_text(json.dumps({**content, **changes}))
    found = listed(server)
    assert found["finished"]["state"] == "damaged" and found["finished"]["problem"]
    assert found["stopped"]["state"] == "stopped"
    answer, details = get(server, "/api/run/finished")
    assert answer.status == 200 and json.loads(details)["state"] == "damaged"


def test_names_that_are_no_text_are_shown(server: Watcher, runs: Path) -> None:
    (runs / "stopped").rename(runs / os.fsdecode(b"stopped\xff"))
    assert listed(server)["stopped?"]["state"] == "stopped"
    assert json.loads(get(server, "/api/run/stopped%3F")[1])["evaluations"] == 8
    assert get(server, "/")[0].status == 200


def test_a_page_whose_runs_change_keeps_its_place_and_draws_no_other_run(server: Watcher, runs: Path) -> None:
    journal = runs / "stopped" / "study.journal"
    whole = journal.read_bytes()
    journal.unlink()
    with opened_browser() as browser, seen(browser, server.address) as found:
        page = found.page
        page.click("button[data-run=finished]")
        page.wait_for_selector("#progress svg path.curve")
        page.click("button[data-run=stopped]")
        page.wait_for_selector("#progress:has-text('Nothing is evaluated yet')")
        page.set_viewport_size({"width": 600, "height": 800})
        page.wait_for_timeout(100)
        assert "Nothing is evaluated yet" in page.inner_text("#progress")
        page.focus("input[aria-label='Compare stopped']")
        journal.write_bytes(whole)
        page.wait_for_selector("tr:has(button[data-run=stopped]):has-text('8 of 8')")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Compare stopped"
        assert not found.complaints


def test_mistakes(tmp_path: Path, runs: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments, needle in (([str(tmp_path / "nowhere")], "is not a folder"), ([str(runs), "--port", port], "in use")):
            failed = CliRunner().invoke(app, ["ui", *arguments])
            assert failed.exit_code == 2 and needle in failed.stderr and "Traceback" not in failed.output
