"""Where the evaluations of a run are made: in its own process, on a Ray cluster, or on machines that share a database."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from nas.base.errors import NasError, unknown
from nas.base.progress import Reporter
from nas.runs.aims import Searched
from nas.runs.carried import CarriedRun
from nas.runs.config import RunConfig
from nas.runs.manifest import Manifest
from nas.runs.searched import is_given
from nas.searching.databases import without_password
from nas.searching.executor import Evaluate, Executor
from nas.searching.ray_executor import RayExecutor, require_ray
from nas.searching.shared_search import SharedExecutor
from nas.searching.work_study import WorkStudy

HERE = "none"
"""The executor that is none: evaluations are made in the run's own process."""


def check_executor(config: RunConfig) -> None:
    """Refuse an executor that there is not, before anything is trained.

    Raises:
        NasError: an unknown one, one that is not installed, or two that exclude each other.
    """
    kind = _kind(config.executor)
    if kind is None and config.workers is not None:
        raise NasError(f"--workers {config.workers} is the number of workers of --executor ray; name that, too")
    if kind is None and config.storage is None:
        return
    if kind is not None and config.storage is not None:
        raise NasError("--executor and --storage are two ways of using several machines; leave one of them out")
    if kind is not None:
        require_ray()
    if is_given(config.space):
        raise NasError(
            "a space that was given as an object cannot be found on other machines; put it into a file, and name that: "
            "path/to/file.py:NAME"
        )
    if is_given(config.data):
        raise NasError(
            "a data set that was given as an object cannot be read on other machines; write its images into a folder, or list "
            "them in a CSV file, and name that"
        )
    if config.storage is not None and "://" not in config.storage:
        raise NasError(
            f"--storage takes the address of a database, such as postgresql://user@host/name; given {config.storage}"
        )


def shared_study(manifest: Manifest, setting: Searched, storage: str) -> WorkStudy:
    """The study of a run in a database; its name follows from the manifest. Raises NasError where there is none to reach."""
    problem = setting.problem()
    return WorkStudy(storage, study_name(manifest), setting.space, problem.objectives)


def study_name(manifest: Manifest) -> str:
    """The same on every machine that sees the run's manifest, whatever it is reached by."""
    elsewhere = {"executor", "workers", "storage"}
    content = manifest.model_dump(mode="json", exclude={"config": elsewhere})
    space = Path(manifest.config.space).name.partition(":")[0]
    return f"nas-{space}-{hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]}"


@contextlib.contextmanager
def opened_executor(
    manifest: Manifest,
    setting: Searched,
    carry: Callable[[], CarriedRun],
    evaluate: Evaluate,
    reporter: Reporter,
) -> Iterator[Executor | None]:
    """What evaluates the proposals of a run; None for the run's own process.

    Args:
        manifest: as it is kept; what is in force stands in the configuration of `setting`.
        carry: gives the run as it travels.
        evaluate: the run's evaluation in this process.
    """
    config = setting.config
    if config.storage is not None:
        shared = SharedExecutor(shared_study(manifest, setting, config.storage), evaluate, config.time_limit, reporter)
        reporter.say(f"other machines join with: nas search --join RUN --storage {without_password(config.storage)}")
        over = False
        try:
            yield shared
            over = True
        finally:
            shared.close(over)
    elif _kind(config.executor) == "ray":
        address = (config.executor or "").partition(":")[2] or None
        gpu = {"cuda": True, "cpu": False}.get(config.compute)
        executor = RayExecutor(carry, address, config.workers, gpu, config.time_limit, reporter)
        try:
            yield executor
        finally:
            executor.close()
    else:
        yield None


def _kind(executor: str | None) -> str | None:
    name = (executor or HERE).partition(":")[0]
    if name not in ("ray", HERE):
        raise unknown("executor", name, ("ray", HERE), "Write ray, or ray:ADDRESS.")
    return None if name == HERE else name
