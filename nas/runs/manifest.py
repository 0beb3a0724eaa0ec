"""The manifest: what was asked of a run, and with what it was answered."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from nas.base.errors import NasError
from nas.base.files import read_sealed, write_sealed
from nas.base.progress import Reporter
from nas.runs.config import RunConfig
from nas.searching.databases import without_password

FORMAT = 1
MANIFEST = "manifest.json"
Kind = Literal["search", "train", "retrain"]
PACKAGES = ("nas-toolkit", "torch", "numpy", "optuna", "onnx", "onnxruntime", "onnxscript")


class Manifest(BaseModel):
    """Written once, when the run begins; `plan` is what was decided where nothing was asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    kind: Kind
    created: str
    config: RunConfig
    plan: dict[str, Any]
    data: dict[str, Any]
    versions: dict[str, str]
    machine: dict[str, Any]

    @property
    def trains(self) -> bool:
        """Whether networks are trained: those runs alone plan steps."""
        return "steps" in self.plan


def new_manifest(kind: Kind, config: RunConfig, plan: dict[str, Any], data: dict[str, Any]) -> Manifest:
    """The manifest of a run that begins now on this machine; it keeps no password of a database."""
    import torch

    from nas.training import current_ranks

    return Manifest(
        format=FORMAT,
        kind=kind,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        config=config if config.storage is None else config.model_copy(update={"storage": without_password(config.storage)}),
        plan=plan,
        data=data,
        versions={name: _version(name) for name in PACKAGES} | {"python": platform.python_version()},
        machine={
            "system": platform.platform(),
            "processor": platform.machine(),
            "threads": torch.get_num_threads(),
            "processes": current_ranks().size,
            "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "command": without_password(" ".join(sys.argv)),
        },
    )


def tell_processes(manifest: Manifest, reporter: Reporter) -> None:
    """Say where a run goes on in another number of processes than it began with."""
    from nas.training import current_ranks

    before, now = manifest.machine.get("processes", 1), current_ranks().size
    if before != now:
        reporter.say(f"this run began with {before} processes and goes on with {now}: sums are rounded differently")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it, whole or not at all."""
    write_sealed(folder / MANIFEST, manifest.model_dump(mode="json"))


def read_manifest(folder: Path) -> Manifest:
    """Read it. Raises NasError when the folder is no run, is half-written, or is of another version."""
    if not folder.is_dir():
        raise NasError(f"run not found: {folder} is not a folder; 'nas search' makes one and prints its name")
    if not (folder / MANIFEST).exists():
        raise NasError(
            f"{folder} is not a run, or its first file was never finished: it has no {MANIFEST}; begin a new run with "
            "'nas search'"
        )
    content = read_sealed(folder / MANIFEST, "run manifest")
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise NasError(
            f"run {folder} has format {found}; this version of nas ({_version('nas-toolkit')}) reads format {FORMAT}: use "
            "the version that made it, or begin a new run"
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise NasError(f"run manifest {folder / MANIFEST} is damaged: {place}: {first['msg']}") from error


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
