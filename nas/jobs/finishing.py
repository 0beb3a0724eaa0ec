"""What is left of a run that trains: its stages, which skip what is already there, and the files that it leaves."""

from __future__ import annotations

import shutil
from pathlib import Path

from nas.base.files import write_sealed, write_text
from nas.base.progress import Reporter
from nas.data import fixed_batches
from nas.jobs.figures import candidate_training, search_figures, supernet_training, training_figures
from nas.jobs.model_card import model_card
from nas.jobs.product import Product
from nas.jobs.readme import search_readme, training_readme
from nas.jobs.remeasuring import remeasure
from nas.jobs.reports import write_report
from nas.jobs.run import Run
from nas.jobs.searching import searched
from nas.runs import Manifest, RunFolder, Setting, candidate_scorer, supernet_scorer, train_stage
from nas.runs.searched import is_given
from nas.runs.stages import EVALUATION_BATCH
from nas.searching.evaluate import Scorer, score
from nas.supernet import Space
from nas.training import Follower, current_ranks


def finish(folder: RunFolder, manifest: Manifest, setting: Setting, reporter: Reporter, space: Space | None = None) -> Run:
    """Do what is left, and write what came of it; the test images are scored once, at the end."""
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


def finished(path: str | Path, space: Space | None) -> Run:
    """A run that is complete already; a search or a training gets its page where a kill came before that."""
    if not current_ranks().leads:
        raise Follower
    run = Run(path, space)
    paged = run.manifest.kind != "retrain"
    if paged and not run.folder.report.exists() and not (space is None and is_given(run.manifest.config.space)):
        write_report(run.folder, run.manifest, run.results, run.space)
    return run
