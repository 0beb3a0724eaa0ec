"""Training one network of a run by itself, and going on with that after an interruption."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from nas.architectures import Architecture
from nas.base.errors import NasError
from nas.base.files import write_sealed, write_text
from nas.base.progress import Reporter, Silent
from nas.data import fixed_batches
from nas.jobs.model_card import model_card
from nas.jobs.product import Product
from nas.jobs.retrain_figures import retrain_figures
from nas.jobs.retrain_request import chosen_network, options_of, require_searched
from nas.jobs.run import Run
from nas.runs import Manifest, RunConfig, RunFolder
from nas.runs.begun import Started, begun
from nas.runs.config import option_of
from nas.runs.folder import given_folder, numbered_folder
from nas.runs.manifest import MANIFEST, tell_processes
from nas.runs.retraining import INHERIT, Retrain, Retraining, recipe_for, supernet_of
from nas.runs.run_data import data_of
from nas.runs.setting import describe_data
from nas.runs.stages import EVALUATION_BATCH
from nas.searching.evaluate import score
from nas.supernet import Space, Task
from nas.training import Follower, Recipe, current_ranks, open_log, require_log, train


def retrain(
    path: str | Path,
    start: str = INHERIT,
    architecture: str | None = None,
    runner_up: int | None = None,
    out: str | Path | None = None,
    reporter: Reporter | None = None,
    started: Started | None = None,
    space: Space | None = None,
    data: Any = None,
    distill: bool = False,
    distill_weight: float | None = None,
    temperature: float | None = None,
    **options: Any,
) -> Run:
    """Train a network of a run by itself, on the run's data in the run's splits.

    Args:
        path: a finished search.
        start: 'inherit' (go on with the weights that the run gave the network) or 'scratch'.
        architecture: a known network, 'smallest', 'largest', or a JSON file, instead of the winner.
        runner_up: which runner-up, counted from 1, instead of the winner.
        out: the folder, new or empty; 'retrained-...' in the run's own by default.
        reporter: hears of progress.
        started: is told the folder as soon as there is something to resume.
        space: for a run of a space that only exists as an object: the same again.
        data: of a run that learns from a data set as an object: the same again.
        distill: let the supernet's largest network teach it; see `nas.training.Distilled`.
        distill_weight: the teacher's share in the loss.
        temperature: by which both networks' scores are divided for that.
        options: of `nas.runs.RunConfig`: steps, epochs, minutes, seed, compute, precision, cutout, mixup, cutmix, randaugment,
            log, settings. Augmentation, precision and seed are the run's by default.

    Several processes of one `torch.distributed` group may call this together; see `nas.jobs.running.search`.

    Returns:
        The finished retraining, a run of its own: `network()`, `results`.

    Raises:
        NasError: whatever is wrong with what was asked; nothing is written then.
        Follower: in processes other than the first, once the training is done.
    """
    source = Run(path, space)
    require_searched(source, start, distill)
    taught = {"distill_weight": distill_weight, "temperature": temperature}
    useless = [name for name, value in taught.items() if value is not None and not distill]
    if useless:
        raise NasError(f"{option_of(useless[0])} belongs to --distill")
    name, chosen = chosen_network(source, architecture, runner_up)
    asked = Retrain.checked(
        run=str(source.path.resolve()),
        start=start,
        network=name,
        architecture=chosen.to_json(),
        distill=distill,
        **{key: value for key, value in taught.items() if value is not None},
    )
    retraining, ranks = _prepared(source, asked, chosen, options_of(source, options), data), current_ranks()
    steps = ranks.gather(retraining.planned_steps())[0]  # minutes are measured, in every process a little differently
    if not ranks.leads:
        _follow(retraining, steps)
    folder = _folder(source.path, asked, out)
    plan, described = _plan(source, folder, retraining, steps), describe_data(retraining.data)
    with begun(folder, "retrain", retraining.config, plan, described, started) as manifest:
        return _finish(folder, manifest, retraining, source, reporter or Silent())


def resume_retraining(folder: RunFolder, manifest: Manifest, reporter: Reporter, given: Space | None, data: Any = None) -> Run:
    """Go on with a retraining. Raises NasError where its run, its data or its space is gone or has changed, or it is in use."""
    try:
        asked = Retrain.model_validate(manifest.plan["retrain"])
        recipe = Recipe.model_validate(manifest.plan["recipe"])
    except (KeyError, ValidationError) as error:
        raise NasError(
            f"the plan in {folder.path / MANIFEST} is damaged: {type(error).__name__}; begin the retraining anew"
        ) from error
    ranks = current_ranks()
    with folder.locked() if ranks.leads else contextlib.nullcontext():
        where = (folder.path.resolve() / asked.run).resolve()
        source = Run(where, given)
        retraining = Retraining(
            manifest.config,
            asked,
            source.manifest,
            source.folder,
            source.space,
            source.space.validate(asked.architecture),
            Task(**manifest.plan["trained_at"]),
            data_of(manifest, folder.path, data),
            recipe,
        )
        if not ranks.leads:
            _follow(retraining, manifest.plan["steps"])
        tell_processes(manifest, reporter)
        return _finish(folder, manifest, retraining, source, reporter)


def _follow(retraining: Retraining, steps: int) -> NoReturn:
    """Take part in the training; ends this process, since the rest is the first one's work."""
    train(retraining.stepper(steps))
    raise Follower


def _finish(folder: RunFolder, manifest: Manifest, retraining: Retraining, source: Run, reporter: Reporter) -> Run:
    """Train what is left, score, and write; the test images are scored once, at the end."""
    data, task = retraining.data, retraining.task
    steps = manifest.plan["steps"]
    stepper = retraining.stepper(steps)
    result = train(stepper, folder.checkpoint, reporter, open_log(manifest.config.log, folder.logs))
    network = retraining.finished(stepper)
    reporter.say("scoring the network on validation and test images, and writing PyTorch and ONNX")
    scores = {
        split: score(network, fixed_batches(data, split, EVALUATION_BATCH), data.task) for split in ("validation", "test")
    }
    product = Product(network, source.space, retraining.architecture, task, manifest)
    comparison = product.write(folder, data)
    figures = retrain_figures(folder, manifest, retraining, source, result, scores, comparison)
    write_sealed(folder.winner, figures["winner"])
    write_text(folder.card, model_card(figures, manifest, product.preprocessing, {}))
    write_sealed(folder.results, figures)
    folder.checkpoint.unlink(missing_ok=True)
    return Run(folder.path, source.space)


def _prepared(source: Run, asked: Retrain, chosen: Architecture, config: RunConfig, data: Any) -> Retraining:
    """The parts of a new retraining. Raises NasError where one of them cannot be had."""
    manifest = source.manifest
    require_log(config.log)
    if asked.distill or (asked.start == INHERIT and asked.network != "winner"):
        supernet_of(manifest, source.folder)
    recipe = source.results.get("training", {}).get("recipe", {})
    retraining = Retraining(
        config,
        asked,
        manifest,
        source.folder,
        source.space,
        chosen,
        Task(**manifest.plan["trained_at"]),
        data_of(manifest, source.path, data),
        recipe_for(asked.start, recipe, config.settings),
    )
    retraining.batches()
    _ = retraining.compute
    return retraining


def _plan(source: Run, folder: RunFolder, retraining: Retraining, steps: int) -> dict[str, Any]:
    """What the manifest keeps. A retraining in the folder of its run names that by a relative path: the two move together."""
    run, place = source.path.resolve(), folder.path.resolve()
    where = os.path.relpath(run, place) if place.is_relative_to(run) else str(run)
    known = source.manifest.plan
    return {
        **{key: known[key] for key in ("decisions", "trained_at", "deployed_at", "reduced") if key in known},
        "steps": steps,
        "recipe": retraining.recipe.model_dump(),
        "retrain": retraining.asked.model_copy(update={"run": where}).model_dump(),
    }


def _folder(run: Path, asked: Retrain, out: str | Path | None) -> RunFolder:
    """A new folder: the one asked for, or the next free name in the run's own."""
    if out is not None:
        return given_folder(Path(out))
    name = f"retrained-{asked.start}" + "-distilled" * asked.distill
    name += "" if asked.network == "winner" else "-" + asked.network.replace(" ", "-")
    return numbered_folder(run, lambda number: name if number == 1 else f"{name}-{number}")
