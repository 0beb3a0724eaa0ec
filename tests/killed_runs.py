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

SCRIPT = """
import sys
import torch
torch.set_num_threads(1)
import nas.training.loop
nas.training.loop.CHECKPOINT_SECONDS = {seconds!r}
from nas import jobs
if sys.argv[1] == "new":
    jobs.search({space!r}, {targets!r}, out=sys.argv[2], **{options!r})
else:
    jobs.resume(sys.argv[2])
"""


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
        [sys.executable, "-c", source, mode, str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )


def kill_when(process: subprocess.Popen[bytes], reached: Callable[[], bool]) -> None:
    """SIGKILL as soon as the condition holds."""
    deadline = time.monotonic() + 120
    while not reached():
        assert process.poll() is None, f"ended before it could be killed: {process.stderr.read().decode()}"  # type: ignore[union-attr]
        assert time.monotonic() < deadline, "never came to the point where it was to be killed"
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
