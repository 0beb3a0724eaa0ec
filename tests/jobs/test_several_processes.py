"""`--devices 2` from the command line: one run as if by one process, whatever ends any of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nas.supernet.weights import load_tensors

pytestmark = pytest.mark.slow

SPACE = """
import torch
from torch import nn

import nas
from nas.elastic import ElasticBatchNorm2d, ElasticConv2d, ElasticLinear


class Tiny(nn.Module):
    task = nas.Task(1, 8, 10)

    def __init__(self, task):
        super().__init__()
        width = nas.Choice("width", (8, 16))
        self.stem = nn.Sequential(ElasticConv2d(task.channels, width, 3), ElasticBatchNorm2d(width), nn.ReLU())
        self.head = ElasticLinear(width, task.classes)

    def forward(self, images):
        return self.head(self.stem(images).mean((2, 3)))
"""

EVERY_STEP = "import nas.training.loop as loop; loop.CHECKPOINT_SECONDS = -1.0"
EVERY_SECOND = "import nas.training.loop as loop; loop.CHECKPOINT_SECONDS = 1.0"
ONE_FAILS = """
import os
from nas.base.errors import NasError
from nas.training import Stepper

run = Stepper.run

def failing(self, step):
    if step == 3 and os.environ.get("RANK") == "1":
        raise ERROR("picture 7 " + "cannot be decoded")
    return run(self, step)

Stepper.run = failing
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the space."""
    (tmp_path / "space.py").write_text(SPACE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(*arguments: str, site: str | None = None) -> subprocess.Popen[str]:
    """`nas ARGUMENTS` in a session of its own, with `site` run first in every process."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if site is not None:
        Path("site").mkdir(exist_ok=True)
        Path("site/sitecustomize.py").write_text(site)
        environment["PYTHONPATH"] = os.pathsep.join([str(Path("site").resolve()), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-m", "nas", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(*arguments: str) -> tuple[int, str, str]:
    process = start(*arguments)
    out, err = process.communicate(timeout=400)
    return process.returncode, out, err


def wait_for(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 400
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def workers(process: subprocess.Popen[str]) -> list[int]:
    """Process numbers of the training processes that the command has started, by rank."""
    found: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            environment = (status.parent / "environ").read_bytes().split(b"\0")
        except (OSError, IndexError):
            continue
        ranks = [int(entry.partition(b"=")[2]) for entry in environment if entry.startswith(b"RANK=")]
        if parent == process.pid and ranks:
            found[ranks[0]] = int(status.parent.name)
    return [found[rank] for rank in sorted(found)]


def train(out: str, steps: int, *more: str) -> list[str]:
    options = ["--space", "space.py:Tiny", "--resolution", "8", "--set", "batch_size=32", "--compute", "cpu"]
    return ["train", *options, "--steps", str(steps), "--out", out, *more]


def weights(run: str) -> dict[str, torch.Tensor]:
    return load_file(Path(run) / "supernet" / "weights.safetensors")


def steps_done(folder: str) -> int:
    _, metadata = load_tensors(Path(folder) / "checkpoint.safetensors", "checkpoint")
    return int(json.loads(metadata["facts"])["step"])


def test_two_processes_make_the_run_of_one(folder: Path) -> None:
    for out, more in (("one", []), ("two", ["--devices", "2"])):
        code, shown, err = run(*train(out, 6, "--set", "sync_norms=true", *more))
        assert code == 0, err
        assert err == ""
        assert shown.count("Everything is in") == 1
    assert sorted(p.name for p in Path("one").iterdir()) == sorted(p.name for p in Path("two").iterdir())
    first, second = weights("one"), weights("two")
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, atol=1e-6, rtol=1e-5)
    assert json.loads(Path("two/manifest.json").read_text())["machine"]["processes"] == 2


def test_torch_s_own_launcher_a_search_that_goes_on_alone_and_its_winner_trained_by_two(folder: Path) -> None:
    command = ["search", *train("run", 4)[1:], "--evaluations", "2", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "nas", *command],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results["kind"] == "search"
    assert results["training"]["steps"] == 4
    assert (folder / "run" / "model.onnx").exists()
    options = ["--steps", "4", "--scratch", "--devices", "2", "--set", "batch_size=32"]
    code, shown, err = run("retrain", "run", *options)
    assert code == 0, err
    assert err == "" and shown.count("Everything is in") == 1
    trained = folder / "run" / "retrained-scratch"
    assert json.loads((trained / "manifest.json").read_text())["machine"]["processes"] == 2
    assert [path.name for path in (folder / "run").glob("retrained-*")] == [trained.name]
    (trained / "results.json").unlink()
    code, _, err = run("resume", str(trained), "--devices", "2")
    assert code == 0 and err == "", err


def test_killed_processes_are_resumed_to_the_bit(folder: Path) -> None:
    steps = 400
    assert run(*train("whole", steps, "--devices", "2"))[0] == 0
    process = start(*train("killed", steps, "--devices", "2"), site=EVERY_STEP)
    wait_for(lambda: (folder / "killed" / "checkpoint.safetensors").exists(), process)
    os.kill(workers(process)[1], signal.SIGKILL)
    _, err = process.communicate(timeout=400)
    assert process.returncode not in (0, None)
    assert err.count("nas: ") == 1, err
    assert "SIGKILL" in err
    assert "nas resume" in err
    assert 0 < steps_done("killed") < steps
    code, _, err = run("resume", "killed", "--devices", "2")
    assert code == 0, err
    first, second = weights("whole"), weights("killed")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_ctrl_c_ends_all_at_one_step_and_says_how_to_go_on(folder: Path) -> None:
    process = start(*train("stopped", 1_000_000, "--devices", "2"), site=EVERY_SECOND)
    wait_for(lambda: (folder / "stopped" / "checkpoint.safetensors").exists(), process)
    before = steps_done("stopped")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=400)
    assert process.returncode == 130
    assert err.strip() == "nas: interrupted; go on with: nas resume stopped --devices 2"
    assert steps_done("stopped") > before > 0


def test_an_interrupt_of_one_process_stops_the_other_too(folder: Path) -> None:
    process = start(*train("stopped", 1_000_000, "--devices", "2"), site=EVERY_SECOND)
    wait_for(lambda: (folder / "stopped" / "checkpoint.safetensors").exists(), process)
    before = steps_done("stopped")
    os.kill(workers(process)[1], signal.SIGINT)
    _, err = process.communicate(timeout=400)
    assert process.returncode == 130, err
    assert steps_done("stopped") > before > 0


@pytest.mark.parametrize(("error", "code"), [("NasError", 2), ("MemoryError", 2), ("ZeroDivisionError", 1)])
def test_an_error_in_one_process_is_told_once_and_ends_all(folder: Path, error: str, code: int) -> None:
    process = start(*train("run", 1_000_000, "--devices", "2"), site=ONE_FAILS.replace("ERROR", error))
    _, err = process.communicate(timeout=400)
    assert process.returncode == code, err
    assert err.count("picture 7 cannot be decoded") == 1, err
    assert err.count("nas: ") == 1
    assert ("Traceback" in err) is (code == 1)


@pytest.mark.parametrize(
    ("arguments", "needles"),
    [
        (["--devices", "0"], ["--devices cannot be 0"]),
        (["--devices", "3"], ["3 processes", "batch_size=33"]),
        (["--devices", "2", "--space", "mbcnov"], ["mbcnov", "Did you mean"]),
        (["--devices", "2", "--steps", "many"], ["--steps"]),
    ],
)
def test_a_mistake_is_told_once(folder: Path, arguments: list[str], needles: list[str]) -> None:
    code, out, err = run(*train("run", 2, *arguments))
    assert code == 2
    assert "Traceback" not in err
    for needle in needles:
        assert err.count(needle) == 1, err
    assert out == ""
    assert not (folder / "run").exists()
