"""Commands that several processes may run together: started by torch's own launcher, or by `--devices`."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import typer

from nas.base.errors import NasError
from nas.base.json_text import parsed
from nas.cli.guard import guarded, out_of_memory, tell

LONGEST_STEP = 600
"""Seconds that processes have for ending their step after Ctrl-C."""

PATIENCE = 5.0
"""Seconds for which a process that was not the first to fail waits to be ended, so that the first one can speak."""


def launched() -> bool:
    """Whether torch's launcher has started this process as one of several."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def follows() -> bool:
    """Whether this is one of several processes and not the first, which alone writes and speaks."""
    return launched() and os.environ["RANK"] != "0"


@contextlib.contextmanager
def together(as_json: bool, resumable: list[Path], devices: int | None, compute: str = "auto") -> Iterator[None]:
    """`guarded`, for one process or for several.

    An error in any process is told once and ends all of them: the launcher ends the others as soon as one is gone.

    Args:
        devices: the processes asked for on this machine; where there are several and none is started yet, the command is
            run anew in each of them, and this process ends with their exit code.
        compute: where they train.
    """
    if not launched():
        with guarded(as_json, resumable):
            if devices is not None and devices != 1:
                raise typer.Exit(_launch(devices, compute))
            yield
        return
    try:
        from nas.training.parallel.processes import joined_processes

        with joined_processes(compute):
            _require_as_started(devices)
            yield
    except NasError as error:
        _end(as_json, str(error), 2)
    except KeyboardInterrupt:
        hint = f"; go on with: nas resume {resumable[0]}{_again()}" if resumable else ""
        if not follows():
            tell(as_json, f"interrupted{hint}", 130)
        raise typer.Exit(130) from None
    except Exception as error:
        told = out_of_memory(error, resumable, _again())
        if told is not None:
            _end(as_json, told, 2)
        _end(as_json, None if _broken_connection(error) else traceback.format_exc(), 1)


def compute_of(run: Path) -> str:
    """Where a run trains, as far as its manifest can be read here."""
    try:
        return str(parsed((run / "manifest.json").read_text(encoding="utf-8"))["config"]["compute"])
    except (OSError, ValueError, KeyError, TypeError):
        return "auto"


def _launch(devices: int, compute: str) -> int:
    """Run this very command in so many processes; returns their exit code."""
    import logging
    import signal
    import tempfile
    import uuid

    import torch
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    available = torch.cuda.device_count() if compute != "cpu" and torch.cuda.is_available() else None
    if devices < 1 or (available is not None and devices > available):
        legal = "1 and above" if available is None else f"1 to {available}, the CUDA devices of this machine"
        raise NasError(f"--devices cannot be {devices}; legal: {legal}")
    # The launcher reports on failures at length; the processes say themselves what went wrong.
    logging.disable(logging.ERROR)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // devices)))
    with tempfile.TemporaryDirectory() as folder:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=devices,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            shutdown_timeout=LONGEST_STEP,
            logs_specs=DefaultLogsSpecs(log_dir=folder),
        )
        try:
            elastic_launch(config, sys.executable)("-m", "nas", *sys.argv[1:])
        except ChildFailedError as error:
            codes = [failure.exitcode for failure in error.failures.values()]
            told = max(codes)
            if told > 0:
                return told
            # The launcher ends the others by SIGTERM when one is gone.
            name = signal.Signals(-min(codes, key=lambda code: code == -signal.SIGTERM)).name
            raise NasError(
                f"a process of the training was ended by {name}; go on with 'nas resume' and the folder of the run"
            ) from error
        except SignalException as error:
            return 128 + int(error.sigval)
    return 0


def _require_as_started(devices: int | None) -> None:
    """Refuse a number of processes other than the launcher's."""
    started = int(os.environ.get("LOCAL_WORLD_SIZE", os.environ["WORLD_SIZE"]))
    if devices is not None and devices != started:
        raise NasError(
            f"the launcher started {started} processes on this machine, and --devices {devices} was asked; leave out --devices"
        )


def _again() -> str:
    """What `nas resume` needs to go on in as many processes of this machine."""
    here = os.environ.get("LOCAL_WORLD_SIZE")
    return f" --devices {here}" if here == os.environ["WORLD_SIZE"] else ""


def _broken_connection(error: Exception) -> bool:
    """Whether an error says no more than that another process is gone."""
    import torch.distributed as dist

    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error).lower())


def _end(as_json: bool, message: str | None, code: int) -> NoReturn:
    """Tell the message if this is the first process that fails, and end.

    Args:
        message: None where this process only lost another one, whose end the launcher will tell.
    """
    from nas.training.parallel.processes import first_to_fail

    if message is None or not first_to_fail():
        time.sleep(PATIENCE)
        if message is not None:
            raise typer.Exit(code)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    tell(as_json, message or "the connection to the other processes of this training is lost; go on with 'nas resume'", code)
