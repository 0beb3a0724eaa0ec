"""Searching results that are known already, and going on after an interruption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nas.base.errors import NasError
from nas.base.files import write_json, write_text
from nas.base.progress import Reporter
from nas.jobs.figures import lookup_figures
from nas.jobs.readme import lookup_readme
from nas.jobs.run import Run
from nas.runs import Manifest, RunConfig, RunFolder, prepare_lookup, reduction_of, search_stage
from nas.runs.folder import create_folder
from nas.runs.looked_up import digest
from nas.runs.manifest import new_manifest, write_manifest
from nas.runs.searched import fingerprint, space_of
from nas.supernet import Space


def begin_lookup(
    config: RunConfig,
    space: Space,
    out: str | Path | None,
    reporter: Reporter,
    started: Callable[[Path], None] | None,
) -> Run:
    """Search what `config.evaluate` holds; see `nas.jobs.running.search`.

    Raises:
        NasError: whatever is wrong with what was asked; nothing is written then.
    """
    assert config.evaluate is not None
    setting, _ = prepare_lookup(config, space)
    at = vars(setting.deployed_at)
    plan = {"decisions": fingerprint(space), "trained_at": at, "deployed_at": at, "results": digest(config.evaluate)}
    reduction = reduction_of(space)
    if reduction is not None:
        plan["reduced"] = reduction.to_json()
    label = f"{space.name}{f'-top{reduction.top}' if reduction else ''}-{Path(config.evaluate).name.partition('.')[0]}"
    folder = create_folder(Path(out) if out is not None else None, label)
    with folder.locked():
        manifest = new_manifest("search", config, plan, {})
        write_manifest(folder.path, manifest)
        if started is not None:
            started(folder.path)
        return _finish(folder, config, space, reporter)


def resume_lookup(folder: RunFolder, manifest: Manifest, reporter: Reporter, space: Space | None) -> Run:
    """Go on with such a search. Raises NasError when its results or its space have changed, or it is in use."""
    config = manifest.config
    assert config.evaluate is not None
    if digest(config.evaluate) != manifest.plan["results"]:
        raise NasError(f"{config.evaluate} has changed since run {folder.path} began; restore it, or begin a new run")
    with folder.locked():
        return _finish(folder, config, space_of(manifest, space), reporter)


def _finish(folder: RunFolder, config: RunConfig, space: Space, reporter: Reporter) -> Run:
    setting, evaluator = prepare_lookup(config, space)
    outcome = search_stage(folder, setting, evaluator, reporter)
    figures = lookup_figures(folder, setting, outcome)
    write_json(folder.winner, figures["winner"])
    write_text(folder.readme, lookup_readme(figures))
    write_json(folder.results, figures)
    return Run(folder.path, space)
