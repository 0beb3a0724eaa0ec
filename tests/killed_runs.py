"""Runs in processes of their own that are killed when something has happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PATIENCE = 900
"""Seconds after which a process is taken to hang, however crowded the machine is."""

SCRIPT = """
import pathlib, sys
import torch
torch.set_num_threads(1)
import nas.training.loop
nas.training.loop.CHECKPOINT_SECONDS = {seconds!r}
from nas import jobs
from nas.base.progress import Silent

class Marking(Silent):
    title = ""

    def start(self, title, total, done=0):
        self.title = title

    def advance(self, done, note=""):
        if self.title == "training":
            pathlib.Path(sys.argv[3]).touch()

if sys.argv[1] == "new":
    jobs.search({space!r}, {targets!r}, out=sys.argv[2], reporter=Marking(), **{options!r})
else:
    jobs.resume(sys.argv[2])
"""


def trained(folder: Path) -> Path:
    """The file that exists once a step of a new run in a folder is done; it lies beside the folder."""
    return folder.with_name(f"{folder.name}.trained")


def start(
    mode: str, folder: Path, space: str, targets: Sequence[str], options: Mapping[str, Any], seconds: float = 0.0
) -> subprocess.Popen[bytes]:
    """A process that begins a search of a space in a folder ('new'), or goes on with it ('resume').

    Args:
        options: of `nas.jobs.search`.
        seconds: between two checkpoints; 0 makes one every step.
    """
    source = SCRIPT.format(space=space, targets=list(targets), options=dict(options), seconds=seconds)
    return subprocess.Popen(
        [sys.executable, "-c", source, mode, str(folder), str(trained(folder))],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )


def signal_when(process: subprocess.Popen[bytes], reached: Callable[[], bool], number: signal.Signals) -> None:
    """Send a signal as soon as the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert process.poll() is None, f"ended before it could be stopped: {process.stderr.read().decode()}"  # type: ignore[union-attr]
        assert time.monotonic() < deadline, "never came to the point where it was to be stopped"
        time.sleep(0.002)
    process.send_signal(number)


def kill_when(process: subprocess.Popen[bytes], reached: Callable[[], bool]) -> None:
    """SIGKILL as soon as the condition holds."""
    signal_when(process, reached, signal.SIGKILL)
    process.wait()
