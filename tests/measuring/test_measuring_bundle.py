"""A bundle: unzipped, run by a Python that knows nothing of nas, and taken back as a table."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nas.cli.app import app
from nas.measuring.results import read_results, timings_of

SPACE = """
from torch import nn
from nas.choices import Choice
from nas.elastic import ElasticConv2d, ElasticLinear
from nas.supernet import Space, Task

class Tiny(nn.Module):
    def __init__(self, task):
        super().__init__()
        width = Choice("width", ({widths}))
        self.stem = ElasticConv2d(task.channels, width, 3)
        self.head = ElasticLinear(width, task.classes)

    def forward(self, x):
        return self.head(self.stem(x).mean((2, 3)))

SPACE = Space("{name}", Tiny, task=Task(3, 8, 5))
"""
"""Two networks, of two operators by two widths each."""


def typed(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    # -I: neither the current folder nor PYTHONPATH; numpy and onnxruntime are all there is to find.
    command = [sys.executable, "-I", "runner.py", "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with space.py, board.zip, and the bundle's own folder after its run, board/."""
    folder = tmp_path_factory.mktemp("bundle")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("space.py").write_text(SPACE.format(name="tiny", widths="2, 4"))
        code, out, err = typed(
            "measure", "--space", "space.py:SPACE", "--rounds", "2", "--networks", "2", "--bundle", "board.zip", "--json"
        )
        assert code == 0, err
        assert json.loads(out)["models"] > 2 and "nas devices add results.json" in out
        with zipfile.ZipFile("board.zip") as bundle:
            assert {Path(name).parts[0] for name in bundle.namelist()} == {"board"}
            bundle.extractall()
        done = run(folder / "board")
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(autouse=True)
def own_folder(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(ran)


def test_the_readme_says_what_to_type(ran: Path) -> None:
    text = (ran / "board/README.txt").read_text()
    assert "python3 runner.py ." in text and "pip install numpy onnxruntime" in text


def test_the_results_become_the_table_that_was_measured(ran: Path) -> None:
    code, out, err = typed("devices", "add", "board/results.json", "--name", "board", "--space", "space.py:SPACE", "--json")
    assert code == 0, err
    table = json.loads(Path(json.loads(out)["file"]).read_text())
    results = json.loads((ran / "board/results.json").read_text())
    names = [model["name"] for model in results["plan"]["models"] if not model["network"]]
    assert [entry["key"] for entry in table["operators"]] == names
    assert table["accuracy"][0]["fitted_on"] == 1 and table["runtime"] == results["device"]["runtime"]
    figures = timings_of(read_results(ran / "board/results.json")).figures
    for number, entry in enumerate(table["operators"]):
        times = [milliseconds for _, model, milliseconds, _ in results["timings"] if model == number]
        assert entry["alone"] == pytest.approx(figures[number].ms, abs=1e-6) and entry["alone"] > 0
        # Timings in slow moments are left out, which depends on what else the machine does.
        assert 1 <= entry["count"] == figures[number].count <= len(times)
    listed = {row["name"]: row["from"] for row in json.loads(typed("devices", "--json")[1])["devices"]}
    assert listed["board"] == "you"


def test_the_table_of_this_machine_by_hand_is_the_same_as_by_the_bundle(ran: Path) -> None:
    # The bundle's folder is one of `nas measure` without what it needs of nas: the same timings make the same table.
    from nas.measuring import Measurement, Request, read_timings, tabulate
    from nas.measuring.results import rebuild
    from nas.supernet import open_space

    space = open_space("space.py:SPACE")
    measurement = Measurement(space, Request(networks=2, rounds=2))
    plan = measurement.plan()
    results = read_results(ran / "board/results.json")
    wanted = tabulate("board", measurement, plan, read_timings(ran / "board", plan))
    assert tabulate("board", rebuild(results, space), results.plan, timings_of(results)) == wanted


def test_a_table_that_is_there_already() -> None:
    words = ["devices", "add", "board/results.json", "--name", "board", "--space", "space.py:SPACE"]
    assert typed(*words)[0] == 0
    assert typed(*words)[0] == 0, "the same device again: its newer figures"
    other = json.loads(Path("board/results.json").read_text())
    other["device"]["processor"] = "another board"
    Path("other.json").write_text(json.dumps(other))
    words[2] = "other.json"
    code, _, err = typed(*words)
    assert code == 2 and "another board" in err and "--replace" in err
    code, out, err = typed(*words, "--replace")
    assert code == 0 and "another board" in out, err
    code, _, err = typed("devices", "add", "other.json", "--name", "pixel1", "--space", "space.py:SPACE")
    assert code == 2 and "ships" in err


def changed(change: Any) -> str:
    """The results after a change, as a file."""
    content = json.loads(Path("board/results.json").read_text())
    change(content)
    Path("changed.json").write_text(json.dumps(content))
    return "changed.json"


def put(*path: Any) -> Any:
    """A change that sets what a path of keys leads to, to the last of them."""
    *keys, last, value = path

    def change(content: Any) -> None:
        for key in keys:
            content = content[key]
        content[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("results", 2), "results"),
        (put("timings", [[0, 0, "1.5", None]]), "timings.0.2"),
        (put("timings", [[0, 99, 1.5, None]]), "no round 0 of model 99"),
        (put("timings", [[99, 0, 1.5, None]]), "no round 99 of model 0"),
        (put("timings", [[0, 0, -1.0, None]]), "timings.0.2"),
        (put("timings", [[0, 0, float("nan"), None]]), "is not what a runner writes"),
        (put("timings", [[0, 0, 1.5]]), "timings.0"),
        (put("timings", []), "were not timed"),
        (put("device", "processor", "a\x1b[2Jb"), "cannot be printed"),
        (put("device", "system", "x" * 1000), "device.system"),
        (put("plan", "resolution", -3), "plan.resolution"),
        (put("plan", "extra", 1), "plan.extra"),
        (put("plan", "space", "x\x07"), "cannot be printed"),
        (put("plan", "space", "other"), "results of the space 'other', not of 'tiny'"),
        (put("plan", "classes", 7), "the space has changed"),
        (put("plan", "models", 0, "name", "conv 1x1->2"), "the space has changed"),
        (put("plan", "models", -1, "name", '{"space": "tiny", "decisions": {"width": 3}}'), "width"),
        (put("plan", "models", -1, "name", '{"space": "tiny", "decisions": {"depth": 3}}'), "unknown decision"),
        (put("plan", "models", -1, "name", "__import__('os')"), "not an architecture"),
        (put("plan", "models", -1, "network", False), "does not have"),
    ],
)
def test_results_that_are_wrong_are_told_and_nothing_is_installed(change: Any, words: str, tmp_path: Path) -> None:
    code, out, err = typed("devices", "add", changed(change), "--name", "board", "--space", "space.py:SPACE")
    assert code == 2 and words in err and "Traceback" not in out + err, err
    assert not (tmp_path / "home").exists() and "\x1b" not in err and "\x07" not in err


def test_no_file_is_run_because_results_name_it(tmp_path: Path) -> None:
    Path("trap.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'sprung')!r}).touch()\nSPACE = 1\n")
    for name in ("trap.py:SPACE", "./trap.py:SPACE", "tiny"):
        code, _, err = typed("devices", "add", changed(put("plan", "space", name)), "--name", "board")
        assert code == 2 and "--space path/to/file.py:NAME" in err
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"results": 1, "plan": ' + '{"a":' * 50_000, "", "\xff", '{"results": 1, "plan": {}}']
)
def test_files_that_are_no_results_at_all(text: str) -> None:
    Path("broken.json").write_bytes(text.encode("latin-1"))
    code, out, err = typed("devices", "add", "broken.json", "--name", "board")
    assert code == 2 and "broken.json" in err and "Traceback" not in out + err


def test_options_that_do_not_go_together() -> None:
    wrong = {
        ("measure", "--bundle", "board.tar"): "--bundle board.zip",
        ("measure", "--bundle", "b.zip", "--device", "my-cpu"): "--device my-cpu",
        ("measure", "--python", "python3.12", "--device", "my-cpu"): "--python",
        ("devices", "add", "board/results.json"): "--name board",
        ("devices", "add", "table.json", "--name", "board"): "--name is for the results.json",
    }
    Path("table.json").write_text("{}")
    for words, said in wrong.items():
        code, _, err = typed(*words)
        assert code == 2 and said in err, err


def test_a_larger_file_than_any_runner_writes() -> None:
    with Path("large.json").open("wb") as file:
        file.truncate(65 << 20)
    code, _, err = typed("devices", "add", "large.json", "--name", "board")
    assert code == 2 and "65 MB" in err
    Path("large.json").unlink()
