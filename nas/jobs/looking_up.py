"""Searches without training, and going on with them after an interruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.base.files import write_sealed, write_text
from nas.base.progress import Reporter
from nas.jobs.figures import lookup_figures
from nas.jobs.readme import lookup_readme
from nas.jobs.remeasuring import remeasure
from nas.jobs.reports import write_report
from nas.jobs.run import Run
from nas.runs import Manifest, RunConfig, RunFolder, prepare_lookup, reduction_of, search_stage
from nas.runs.begun import Started, begun
from nas.runs.folder import create_folder
from nas.runs.looked_up import LookedUp, digest
from nas.runs.run_data import require_given, require_same
from nas.runs.searched import fingerprint, space_of
from nas.runs.setting import describe_data
from nas.supernet import Space
from nas.training import current_ranks


def begin_lookup(
    config: RunConfig,
    space: Space,
    out: str | Path | None,
    reporter: Reporter,
    started: Started | None,
    given: Any = None,
) -> Run:
    """Search what `config.evaluate` holds, or zero-cost proxies alone; see `nas.jobs.running.search`.

    Raises:
        NasError: whatever is wrong with what was asked; nothing is written then.
    """
    _require_alone()
    setting = prepare_lookup(config, space, given=given, reporter=reporter)
    plan = {
        "decisions": fingerprint(space),
        "trained_at": vars(setting.seen_at),
        "deployed_at": vars(setting.deployed_at),
        "results": None if config.evaluate is None else digest(config.evaluate),
    }
    source = "-".join(setting.asked.objectives) if config.evaluate is None else Path(config.evaluate).name.partition(".")[0]
    reduction = reduction_of(space)
    if reduction is not None:
        plan["reduced"] = reduction.to_json()
    label = f"{space.name}{f'-top{reduction.top}' if reduction else ''}-{source}"
    folder = create_folder(out, label)
    data = {} if setting.data is None else describe_data(setting.data)
    with begun(folder, "search", config, plan, data, started) as manifest:
        return _finish(folder, manifest, setting, reporter, space)


def resume_lookup(folder: RunFolder, manifest: Manifest, reporter: Reporter, given: Space | None, data: Any = None) -> Run:
    """Go on with such a search. Raises NasError when its results, its data or its space have changed, or it is in use."""
    _require_alone()
    config = manifest.config
    if config.evaluate is not None and digest(config.evaluate) != manifest.plan["results"]:
        raise NasError(f"{config.evaluate} has changed since run {folder.path} began; restore it, or begin a new run")
    with folder.locked():
        space = space_of(manifest, given)
        if manifest.data:
            require_given(manifest, data)
        setting = prepare_lookup(config, space, folder.proxies, data, reporter)
        if setting.data is not None:
            require_same(setting.data, manifest, folder.path)
        return _finish(folder, manifest, setting, reporter, space)


def _require_alone() -> None:
    """Refuse several processes, each of which would make a run of its own."""
    if current_ranks().size > 1:
        raise NasError("this search trains nothing, and several processes are for training; leave out --devices")


def _finish(folder: RunFolder, manifest: Manifest, setting: LookedUp, reporter: Reporter, space: Space) -> Run:
    outcome = search_stage(folder, setting, setting.evaluator, reporter)
    figures = lookup_figures(folder, setting, outcome)
    remeasure(setting.space, figures, reporter)
    write_sealed(folder.winner, figures["winner"])
    write_text(folder.readme, lookup_readme(figures))
    write_sealed(folder.results, figures)
    write_report(folder, manifest, figures, setting.space)
    return Run(folder.path, space)
