"""Searching, training, and going on after an interruption."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.base.progress import Reporter, Silent
from nas.jobs.beginning import begin
from nas.jobs.finishing import finish, finished
from nas.jobs.looking_up import resume_lookup
from nas.jobs.retraining import resume_retraining
from nas.jobs.run import Run
from nas.jobs.searching import evaluated_by
from nas.runs import RunFolder, follow_stage, prepare, read_manifest
from nas.runs.begun import Started
from nas.runs.manifest import tell_processes
from nas.runs.run_data import require_given, require_same
from nas.runs.searched import space_of
from nas.supernet import Space
from nas.training import current_ranks


def search(
    space: str | Space = "mbconv",
    targets: Sequence[str] = (),
    data: Any = None,
    out: str | Path | None = None,
    reporter: Reporter | None = None,
    started: Started | None = None,
    **options: Any,
) -> Run:
    """Train a supernet, search it under the targets, and write the winner as PyTorch and ONNX.

    Args:
        space: name of an installed space, 'path/to/file.py:NAME', 'RUN:top3' for the space of a run reduced to its best
            modules, or a `nas.Space`.
        targets: upper bounds such as 'pixel-latency=80ms' or 'macs<=300M'.
        data: 'digits', a folder of images, a CSV file of paths and labels, or a data set as an object: anything with a length
            and items (image, label), or a tuple of up to three for training, validation and test. By default what `supernet`
            was trained on, else the digits.
        out: the run's folder, new or empty; a numbered one under `runs/` by default.
        reporter: hears of progress.
        started: is told the folder as soon as there is something to resume.
        options: any field of `nas.runs.RunConfig`: trainer, strategy, steps, epochs, minutes, evaluations, seed,
            resolution, deploy_resolution, path_column, label_columns, task, class_weights, supernet, compute, precision,
            cutout, mixup, cutmix, randaugment, log, settings, validation_images, calibration_images, objectives, reward,
            strategy_options, evaluate, filters, warm_start, proxy_images, allow_estimates, executor,
            workers, storage, time_limit.

    Several processes of one `torch.distributed` group may call this together: they train together, and the first one alone
    writes, searches and returns.

    Returns:
        The finished run.

    Raises:
        NasError: whatever is wrong with what was asked; nothing is written then.
        Follower: in processes other than the first, once the training is done.
    """
    return begin("search", space, targets, data, out, reporter or Silent(), started, options)


def train(
    space: str | Space = "mbconv",
    data: Any = None,
    out: str | Path | None = None,
    reporter: Reporter | None = None,
    started: Started | None = None,
    **options: Any,
) -> Run:
    """Train a supernet that later searches can share (`supernet=`); arguments as for `search`."""
    return begin("train", space, (), data, out, reporter or Silent(), started, options)


def resume(
    path: str | Path,
    reporter: Reporter | None = None,
    space: Space | None = None,
    data: Any = None,
    executor: str | None = None,
    workers: int | None = None,
    storage: str | None = None,
) -> Run:
    """Go on with a run after any interruption; a finished run is returned as it is.

    Args:
        space: for a run that was begun with a space that only exists as an object: the same again.
        data: the same for its data.
        executor: makes the evaluations from now on, see `nas.runs.executing`; by default as before.
        workers: of the executor.
        storage: the database from now on, its password included, which a run does not keep.

    Raises:
        NasError: no run, half-written, of another version, in use, or its data or its space has changed.
        Follower: in processes other than the first of several, once the training is done.
    """
    folder, ranks, reporter = RunFolder(Path(path)), current_ranks(), reporter or Silent()
    manifest = ranks.share(lambda: read_manifest(folder.path))
    if ranks.share(folder.results.exists):
        return finished(path, space)
    elsewhere = {name: value for name, value in (("executor", executor), ("workers", workers), ("storage", storage)) if value}
    if elsewhere and (manifest.kind == "retrain" or not manifest.trains):
        raise NasError(f"run {path} makes no evaluations that others could make; leave out --{next(iter(elsewhere))}")
    if manifest.kind == "retrain":
        return resume_retraining(folder, manifest, reporter, space, data)
    if not manifest.trains:
        return resume_lookup(folder, manifest, reporter, space, data)
    with folder.locked() if ranks.leads else contextlib.nullcontext():
        scores = folder.proxies if ranks.leads else None
        require_given(manifest, data)
        config = evaluated_by(manifest.config, elsewhere)
        heard = reporter if ranks.leads else None
        setting = prepare(config, space_of(manifest, space), scores, data, manifest.data.get("left_out"), heard)
        require_same(setting.data, manifest, folder.path)
        if not ranks.leads:
            follow_stage(setting, manifest.plan["steps"])
        tell_processes(manifest, reporter)
        return finish(folder, manifest, setting, reporter, space)
