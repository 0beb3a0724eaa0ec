"""Helping with a search that another machine began."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.base.progress import Reporter, Silent
from nas.runs import Manifest, RunFolder, read_manifest
from nas.runs.carried import PREFIX, open_evaluation
from nas.runs.executing import shared_study
from nas.runs.searched import space_of
from nas.runs.trained import FACTS
from nas.searching.shared_search import help_with

POLL_SECONDS = 1.0
"""How often it is looked whether the supernet is trained."""


def join(path: str | Path, storage: str, reporter: Reporter | None = None) -> dict[str, Any]:
    """Make evaluations of a search until it is over. Nothing is written into the run's folder.

    Args:
        path: the run's folder, on a file system that both machines see, or a copy of it.
        storage: the database with which the search was begun.

    Returns:
        {"run", "evaluations"}: how many were made here.

    Raises:
        NasError: no run, one without evaluations, its data is not at the same place here, or the database does not answer.
    """
    folder, reporter = RunFolder(Path(path)), reporter or Silent()
    manifest = read_manifest(folder.path)
    if not manifest.trains or manifest.kind != "search":
        raise NasError(f"run {path} makes no evaluations that could be shared; join a search that trains")
    supernet = _supernet(folder, manifest, reporter)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as scratch:
        setting, evaluate = open_evaluation(manifest, supernet, Path(scratch))
        study = shared_study(manifest, setting, storage)
        reporter.start("helping", manifest.config.evaluations)
        try:
            made = help_with(study, evaluate, manifest.config.time_limit, reporter)
        finally:
            reporter.finish()
            study.close()
    return {"run": str(path), "evaluations": made}


def _supernet(folder: RunFolder, manifest: Manifest, reporter: Reporter) -> Path | None:
    """The trained supernet, once it is there; None where networks are trained one by one."""
    if manifest.config.supernet is not None:
        return Path(manifest.config.supernet)
    if space_of(manifest).separate:
        return None
    if not (folder.supernet / FACTS).exists():
        reporter.say("waiting until the supernet is trained")
    while not (folder.supernet / FACTS).exists():
        time.sleep(POLL_SECONDS)
    return folder.supernet
