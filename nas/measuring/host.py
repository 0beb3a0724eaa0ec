"""What the runner must know of the machine it runs on. It goes to devices beside the runner: Python 3.9 and nothing of nas."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SECONDS_TO_STOP = 30
"""How long another runner is given to stop."""


def describe(threads: int, runtime: str) -> dict[str, Any]:
    """What is measured on; from here on the process keeps to as many processors as there are threads."""
    processors = pin(threads)
    return {**machine(), "runtime": runtime, "pinned": processors is not None, "processors": processors}


def machine() -> dict[str, Any]:
    """Processor, how many of them, and system."""
    return {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()}


def require_same(path: Path, device: dict[str, Any]) -> None:
    """End where timings would go on with another processor or another version of the runtime than `path` tells of."""
    known = json.loads(path.read_text(encoding="utf-8")).get("device", {}) if path.exists() else {}
    for what in ("processor", "runtime"):
        if what in known and known[what] != device[what]:
            sys.exit(
                f"the timings in {path.parent} are of {what} '{known[what]}', and this is '{device[what]}'; go on there, or "
                "delete timings.jsonl and device.json to begin anew"
            )


def pin(threads: int) -> list[int] | None:
    """Keep to as many processors as there are threads, the fastest, and return them; None where nobody may choose.

    Phones and many boards have slow processors beside fast ones, and often count the slow ones first.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    fastest = sorted(os.sched_getaffinity(0), key=lambda number: (-_highest_clock(number), number))
    chosen = sorted(fastest[:threads])
    os.sched_setaffinity(0, chosen)
    return chosen


def processor() -> str:
    """The board's or the processor's name, as the system tells it."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        found = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        for name in ("model name", "Model", "Hardware"):
            if found.get(name):
                return found[name]
    with contextlib.suppress(OSError):
        return Path("/proc/device-tree/model").read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    if Path("/system/build.prop").exists():  # Android
        with contextlib.suppress(OSError):
            asked = ["getprop", "ro.product.model"]
            found_model = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
            if found_model:
                return found_model
    return platform.processor() or platform.machine()


def others() -> float | None:
    """Seconds that other programs have had of all processors, or None where the system does not tell."""
    try:
        with Path("/proc/stat").open(encoding="utf-8") as file:
            fields = [int(field) for field in file.readline().split()[1:9]]
        own = os.times()
    except (OSError, ValueError):
        return None
    user, nice, system, _, _, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK") - own.user - own.system


@contextlib.contextmanager
def alone(folder: Path, take_over: bool) -> Iterator[None]:
    """Hold a folder while it is worked in: two runners would disturb each other's timings.

    A connection that broke may have left a runner behind, which nobody follows any more.

    Args:
        take_over: stop a runner that holds the folder, instead of ending with an error.
    """
    with (folder / "lock").open("a+", encoding="utf-8") as file:
        if not _held(file):
            if not take_over:
                sys.exit(f"another runner is at work in {folder}: process {_holder(file)}; stop it, or wait for it")
            _stop(file, folder)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def _stop(file: TextIO, folder: Path) -> None:
    """End the runner that holds a folder, and hold it."""
    end = time.monotonic() + SECONDS_TO_STOP
    told = ""
    while not _held(file):
        other = _holder(file)
        if other not in ("", told):
            told = other
            with contextlib.suppress(OSError):
                os.kill(int(other), signal.SIGTERM)
        if time.monotonic() > end:
            sys.exit(f"another runner is at work in {folder} and does not stop: process {other}")
        time.sleep(0.05)


def _held(file: TextIO) -> bool:
    """Whether the lock is this process's now; where the system has none, it always is."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # this file system has no locks
        return True
    return True


def _holder(file: TextIO) -> str:
    file.seek(0)
    found = file.read().strip()
    return found if found.isdigit() else ""


def _highest_clock(number: int) -> int:
    """Of a processor in kHz; 0 where the system does not tell."""
    try:
        return int(Path(f"/sys/devices/system/cpu/cpu{number}/cpufreq/cpuinfo_max_freq").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0
