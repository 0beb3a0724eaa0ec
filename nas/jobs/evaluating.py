"""Scoring an exported file, or the network of a run, on any images of the same classes, labels or numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.base.errors import NasError, first_line, memory_error
from nas.base.progress import Reporter, Silent
from nas.data import Batch, Expected, Labelled, Reading, load_labelled
from nas.exporting import Preprocessing, Run, in_torch, load_plain, preprocessing_of, scored
from nas.exporting.comparison import Scores
from nas.jobs.product import product_of
from nas.measuring.formats import open_file, untrusted
from nas.runs import RunFolder
from nas.runs.manifest import MANIFEST
from nas.runs.stages import EVALUATION_BATCH
from nas.supernet import Space


@dataclass(frozen=True)
class Opened:
    """Something that scores images.

    Attributes:
        what: in words.
    """

    run: Run
    preprocessing: Preprocessing
    what: str


def evaluate(
    target: str | Path,
    data: Any,
    split: str | None = None,
    batch_size: int = EVALUATION_BATCH,
    trusted: bool = False,
    reporter: Reporter | None = None,
    space: Space | None = None,
    path_column: str | None = None,
    label_columns: Sequence[str] = (),
    task: str | None = None,
) -> dict[str, Any]:
    """How good a network is on labelled images, by the figures of its task, and how fast.

    Args:
        target: the folder of a finished search or of a retrained network; an exported file; or a folder with `model.py`,
            `weights.safetensors` and `preprocessing.json`.
        data: 'digits', a folder, a CSV file or a data set as an object, of classes, labels or columns that the network knows,
            which are matched by name.
        split: 'train', 'validation', 'test' or 'all'; by default the test images where the data has such, or where it is what
            the network was trained on; else all.
        trusted: whether code that the file holds may run: Python source, or an archive of torch.export.
        space: for a run of a space that only exists as an object: the same again.
        path_column, label_columns: of a CSV file; found by their names by default, or as in the training.
        task: the network's own, whatever the data look like; another one is an error.

    Returns:
        {"target", "what", "data", "split", "own", "task", "images", figures, "images_per_second", "classes", "left_out",
        "per_class", "preprocessing"}; "own" says whether the images are of the data that it was trained on, in the splits of
        its training. Of classes the figures are "top1", "top5" and "loss", and "per_class" is {class: {"images", "top1"}}; of
        labels "map" and "loss", and {label: {"images", "ap"}}; of numbers "r2", "rmse" and "loss", and {column: {"r2",
        "rmse"}}. "left_out" are images that cannot be decoded, by name.

    Raises:
        NasError: the file or the data cannot be used, or they do not fit together.
    """
    if batch_size < 1:
        raise NasError(f"--batch cannot be {batch_size}; legal: 1 and above")
    opened = open_target(Path(target), trusted, space)
    reading = Reading(path_column, tuple(label_columns), task)
    images = load_labelled(data, _expected(opened.preprocessing), split, reading, reporter)
    reporter = reporter or Silent()
    reporter.start("scoring", len(images))
    try:
        scoring = scored(opened.run, _told(images, batch_size, reporter), opened.preprocessing.task)
    finally:
        reporter.finish()
    return {
        "target": str(target),
        "what": opened.what,
        "data": images.name,
        "split": images.split,
        "own": images.own,
        "task": scoring.task.kind,
        **scoring.brief(),
        "images_per_second": scoring.images_per_second,
        "classes": len(opened.preprocessing.classes),
        "left_out": dict(images.left_out),
        "per_class": {name: dict(figures) for name, figures in scoring.per_class.items()},
        "preprocessing": opened.preprocessing.to_json(),
    }


def open_target(target: Path, trusted: bool = False, space: Space | None = None) -> Opened:
    """A run, a folder of plain PyTorch, or a file, ready to score images; see `evaluate`.

    The network of a run is built from its space: source that lies in its folder is not run.
    """
    if (target / MANIFEST).exists():
        product = product_of(target, space)
        return Opened(in_torch(product.deployed), product.preprocessing, "PyTorch")
    if target.is_dir() or target.suffix == ".py":
        source = RunFolder(target).model if target.is_dir() else target
        if not source.is_file():
            raise NasError(
                f"{target} holds no network: it has neither {MANIFEST} nor model.py; give a run, a folder "
                "that 'nas export' wrote, or a file of it"
            )
        if not trusted:
            raise untrusted(source)
        preprocessing = preprocessing_of(source)
        return Opened(_told_of(source, in_torch(_plain(source))), preprocessing, "PyTorch, from its source")
    run, what = open_file(target, trusted)
    return Opened(_told_of(target, run), preprocessing_of(target), what)


def _plain(source: Path) -> Any:
    """The network of a source file, with the weights beside it."""
    try:
        return load_plain(source, RunFolder(source.parent).weights)
    except NasError:
        raise
    except Exception as error:  # whatever the source does
        raise NasError(f"{source} makes no network with these weights: {first_line(error)}") from error


def _told_of(path: Path, run: Run) -> Run:
    """The same, with whatever a file raises that takes other images than it says, or none, told of the file."""

    def scores(images: Scores) -> Scores:
        try:
            return np.asarray(run(images), dtype=np.float32)
        except Exception as error:  # each runtime has kinds of errors of its own
            if memory_error(error) is not None:
                raise
            raise NasError(
                f"{path} cannot score images of shape {images.shape}, which it ought to: {first_line(error)}"
            ) from error

    return scores


def _expected(preprocessing: Preprocessing) -> Expected:
    """What images must be for a network."""
    channels, side, _ = preprocessing.input_shape
    return Expected(
        preprocessing.task, channels, side, (preprocessing.mean, preprocessing.std), *_trained_on(preprocessing.data)
    )


def _trained_on(known: Mapping[str, Any]) -> tuple[str, int, int, Reading]:
    """Fingerprint, resolution, seed and reading of the data trained on; what a file does not say properly is not known."""
    try:
        reading = known.get("reading", {})
        path, labels = reading.get("path_column"), [str(name) for name in reading.get("label_columns", ())]
        found = Reading(None if path is None else str(path), tuple(labels), reading.get("task"))
        return str(known["fingerprint"]), int(known["resolution"]), int(known["seed"]), found
    except (AttributeError, KeyError, TypeError, ValueError, NasError):
        return "", 0, 0, Reading()


def _told(images: Labelled, size: int, reporter: Reporter) -> Iterator[Batch]:
    """The batches, with progress."""
    done = 0
    batches: Iterable[Batch] = images.batches(size)
    for batch in batches:
        yield batch
        done += len(batch.targets)
        reporter.advance(done)
