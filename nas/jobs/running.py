"""Searching, training, and going on after an interruption."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from nas.base.errors import NasError
from nas.base.files import write_sealed, write_text
from nas.base.progress import Reporter, Silent
from nas.data import fixed_batches
from nas.jobs.data_report import report_data
from nas.jobs.figures import candidate_training, search_figures, supernet_training, training_figures
from nas.jobs.looking_up import begin_lookup, resume_lookup
from nas.jobs.model_card import model_card
from nas.jobs.product import Product
from nas.jobs.readme import search_readme, training_readme
from nas.jobs.remeasuring import remeasure
from nas.jobs.reports import write_report
from nas.jobs.retraining import resume_retraining
from nas.jobs.run import Run
from nas.jobs.searching import evaluated_by, searched
from nas.runs import (
    Manifest,
    RunConfig,
    RunFolder,
    Setting,
    candidate_scorer,
    follow_stage,
    named_space,
    prepare,
    proxies_alone,
    read_manifest,
    reduction_of,
    supernet_scorer,
    train_stage,
)
from nas.runs.executing import check_executor
from nas.runs.folder import create_folder
from nas.runs.manifest import new_manifest, tell_processes, write_manifest
from nas.runs.named import evaluated_as
from nas.runs.run_data import require_given, require_same
from nas.runs.searched import fingerprint, is_given, named_data, reference, space_of, with_estimates
from nas.runs.setting import describe_data, planned_steps
from nas.runs.stages import EVALUATION_BATCH
from nas.runs.trained import read_facts
from nas.searching.evaluate import Scorer, score
from nas.supernet import Space
from nas.supernet.separate import no_supernet
from nas.training import Follower, current_ranks

Started = Callable[[Path], None]


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
    return _begin("search", space, targets, data, out, reporter, started, options)


def train(
    space: str | Space = "mbconv",
    data: Any = None,
    out: str | Path | None = None,
    reporter: Reporter | None = None,
    started: Started | None = None,
    **options: Any,
) -> Run:
    """Train a supernet that later searches can share (`supernet=`); arguments as for `search`."""
    return _begin("train", space, (), data, out, reporter, started, options)


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
    folder, ranks = RunFolder(Path(path)), current_ranks()
    manifest = ranks.share(lambda: read_manifest(folder.path))
    if ranks.share(folder.results.exists):
        return _finished(path, space)
    elsewhere = {name: value for name, value in (("executor", executor), ("workers", workers), ("storage", storage)) if value}
    if elsewhere and (manifest.kind == "retrain" or not manifest.trains):
        raise NasError(f"run {path} makes no evaluations that others could make; leave out --{next(iter(elsewhere))}")
    if manifest.kind == "retrain":
        return resume_retraining(folder, manifest, reporter or Silent(), space, data)
    if not manifest.trains:
        return resume_lookup(folder, manifest, reporter or Silent(), space, data)
    with folder.locked() if ranks.leads else contextlib.nullcontext():
        scores = folder.proxies if ranks.leads else None
        require_given(manifest, data)
        config = evaluated_by(manifest.config, elsewhere)
        setting = prepare(config, space_of(manifest, space), scores, data, manifest.data.get("left_out"))
        require_same(setting.data, manifest, folder.path)
        if not ranks.leads:
            follow_stage(setting, manifest.plan["steps"])
        reporter = reporter or Silent()
        tell_processes(manifest, reporter)
        return _finish(folder, manifest, setting, reporter, space)


def _begin(
    kind: Literal["search", "train"],
    space: str | Space,
    targets: Sequence[str],
    data: Any,
    out: str | Path | None,
    reporter: Reporter | None,
    started: Started | None,
    options: dict[str, Any],
) -> Run:
    opened = space if isinstance(space, Space) else named_space(space, reporter)
    reduction = reduction_of(opened)
    if reduction is not None and kind == "train":
        raise NasError(f"a supernet is trained for the whole space: nas train --space {opened.name}; '{space}' is for searches")
    if reduction is not None and _says_nothing_of_evaluations(options):
        options |= evaluated_as(reduction, opened)
    if (kind == "train" or options.get("supernet") is not None) and opened.separate:
        raise no_supernet(opened)
    if options.get("supernet") is not None:
        options["supernet"] = str(Path(options["supernet"]).resolve())
        data = read_facts(Path(options["supernet"])).data["source"] if data is None else data
    source, given = named_data(data)
    if options.get("evaluate") is not None:
        options["evaluate"] = str(Path(options["evaluate"]).resolve())
    config = RunConfig.checked(space=reference(opened if reduction else space), targets=tuple(targets), data=source, **options)
    check_executor(config)
    if config.allow_estimates:
        opened = with_estimates(opened)
    if kind == "search" and (config.evaluate is not None or proxies_alone(config, opened)):
        return begin_lookup(config, opened, out, reporter or Silent(), started, given)
    setting, ranks = prepare(config, opened, given=given), current_ranks()
    steps = ranks.gather(planned_steps(setting))[0]  # minutes are measured, in every process a little differently
    if not ranks.leads:
        follow_stage(setting, steps)
    plan = {
        "decisions": fingerprint(opened),
        "steps": steps,
        "recipe": setting.recipe.model_dump(),
        "trained_at": vars(setting.trained_at),
        "deployed_at": vars(setting.deployed_at),
        **({} if reduction is None else {"reduced": reduction.to_json()}),
    }
    label = opened.name if reduction or isinstance(space, Space) or ".py" in space else space
    label += f"-top{reduction.top}" if reduction else ""
    folder = create_folder(out, f"{label}-{setting.data.name}")
    with folder.locked():
        manifest = new_manifest(kind, config, plan, describe_data(setting.data))
        write_manifest(folder.path, manifest)
        if started is not None:
            started(folder.path)
        report_data(setting.data, config.class_weights != "none", folder.path, reporter or Silent())
        return _finish(folder, manifest, setting, reporter or Silent(), opened)


def _says_nothing_of_evaluations(options: dict[str, Any]) -> bool:
    """Whether it is left open how architectures are evaluated: by which supernet, trained how, or by which results."""
    given = any(options.get(name) is not None for name in ("supernet", "evaluate", "steps", "epochs", "minutes"))
    default = RunConfig.model_fields["trainer"].default
    return not given and options.get("trainer", default) == default


def _finished(path: str | Path, space: Space | None) -> Run:
    """A run that is complete already; a search or a training gets its page where a kill came before that."""
    if not current_ranks().leads:
        raise Follower
    run = Run(path, space)
    paged = run.manifest.kind != "retrain"
    if paged and not run.folder.report.exists() and not (space is None and is_given(run.manifest.config.space)):
        write_report(run.folder, run.manifest, run.results, run.space)
    return run


def _finish(folder: RunFolder, manifest: Manifest, setting: Setting, reporter: Reporter, space: Space | None = None) -> Run:
    steps = manifest.plan["steps"]
    if setting.space.separate:
        scorer: Scorer = candidate_scorer(folder, setting, steps)
        training = candidate_training(setting, steps)
        outcome = searched(folder, manifest, setting, scorer, reporter)
    else:
        trained = train_stage(folder, setting, steps, reporter)
        if manifest.kind == "train":
            figures = training_figures(folder, manifest, setting, trained)
            write_text(folder.readme, training_readme(figures))
            write_sealed(folder.results, figures)
            write_report(folder, manifest, figures, setting.space)
            return Run(folder.path, space)
        scorer, training = supernet_scorer(setting, trained), supernet_training(trained)
        outcome = searched(folder, manifest, setting, scorer, reporter, trained.facts.derived)
    reporter.say("scoring the winner on the test images, and writing PyTorch and ONNX")
    best = outcome.ranked[0]
    architecture = setting.space.decode(best.row[None])[0]
    product = Product(scorer.network(best.row), setting.space, architecture, setting.trained_at, manifest)
    test = score(product.network, fixed_batches(setting.data, "test", EVALUATION_BATCH), setting.data.task)
    comparison = product.write(folder, setting.data)
    figures = search_figures(folder, manifest, setting, training, outcome, scorer, test, comparison)
    remeasure(setting.space, figures, reporter)
    write_sealed(folder.winner, figures["winner"])
    write_text(folder.readme, search_readme(figures))
    write_text(folder.card, model_card(figures, manifest, product.preprocessing, {}))
    write_sealed(folder.results, figures)
    write_report(folder, manifest, figures, setting.space)
    shutil.rmtree(folder.candidates, ignore_errors=True)
    return Run(folder.path, space)
