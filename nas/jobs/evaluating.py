"""Scoring an exported file, or the network of a run, on any images of the same classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.base.progress import Reporter, Silent
from nas.data import Batch, Expected, Labelled, load_labelled
from nas.exporting import Preprocessing, Run, in_torch, load_plain, preprocessing_of, scored
from nas.jobs.product import product_of
from nas.measuring.formats import open_file, untrusted
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
    data: str | Path,
    split: str | None = None,
    batch_size: int = EVALUATION_BATCH,
    trusted: bool = False,
    reporter: Reporter | None = None,
    space: Space | None = None,
) -> dict[str, Any]:
    """Accuracy, loss and speed of a network on labelled images.

    Args:
        target: the folder of a finished search or of a retrained network; an exported file; or a folder with `model.py`,
            `weights.safetensors` and `preprocessing.json`.
        data: 'digits' or a folder, of classes that the network knows, which are matched by name.
        split: 'train', 'validation', 'test' or 'all'; by default the test images where the data has such, or where it is what
            the network was trained on; else all.
        trusted: whether code that the file holds may run: Python source, or an archive of torch.export.
        space: for a run of a space that only exists as an object: the same again.

    Returns:
        {"target", "what", "data", "split", "own", "images", "top1", "top5", "loss", "images_per_second", "classes",
        "per_class": {name: {"images", "top1"}}, "preprocessing"}; "own" says whether the images are of the data that it
        was trained on, in the splits of its training.

    Raises:
        NasError: the file or the data cannot be used, or they do not fit together.
    """
    if batch_size < 1:
        raise NasError(f"--batch cannot be {batch_size}; legal: 1 and above")
    opened = open_target(Path(target), trusted, space)
    images = load_labelled(data, _expected(opened.preprocessing), split)
    reporter = reporter or Silent()
    reporter.start("scoring", len(images))
    try:
        scoring = scored(opened.run, _told(images, batch_size, reporter), opened.preprocessing.classes)
    finally:
        reporter.finish()
    return {
        "target": str(target),
        "what": opened.what,
        "data": images.name,
        "split": images.split,
        "own": images.own,
        **scoring.brief(),
        "images_per_second": scoring.images_per_second,
        "classes": len(opened.preprocessing.classes),
        "per_class": {name: dict(figures) for name, figures in scoring.per_class.items()},
        "preprocessing": asdict(opened.preprocessing),
    }


def open_target(target: Path, trusted: bool = False, space: Space | None = None) -> Opened:
    """A run, a folder of plain PyTorch, or a file, ready to score images; see `evaluate`.

    The network of a run is built from its space: source that lies in its folder is not run.
    """
    if (target / MANIFEST).exists():
        product = product_of(target, space)
        return Opened(in_torch(product.deployed), product.preprocessing, "PyTorch")
    if target.is_dir() or target.suffix == ".py":
        source = target / "model.py" if target.is_dir() else target
        if not source.is_file():
            raise NasError(
                f"{target} holds no network: it has neither {MANIFEST} nor model.py; give a run, a folder "
                "that 'nas export' wrote, or a file of it"
            )
        if not trusted:
            raise untrusted(source)
        preprocessing = preprocessing_of(source)
        return Opened(in_torch(_plain(source)), preprocessing, "PyTorch, from its source")
    run, what = open_file(target, trusted)
    return Opened(run, preprocessing_of(target), what)


def _plain(source: Path) -> Any:
    """The network of a source file, with the weights beside it."""
    try:
        return load_plain(source, source.with_name("weights.safetensors"))
    except NasError:
        raise
    except Exception as error:  # whatever the source does
        raise NasError(f"{source} makes no network with these weights: {type(error).__name__}: {error}") from error


def _expected(preprocessing: Preprocessing) -> Expected:
    """What images must be for a network."""
    channels, side, _ = preprocessing.input_shape
    known = preprocessing.data
    return Expected(
        preprocessing.classes,
        channels,
        side,
        (preprocessing.mean, preprocessing.std),
        str(known.get("fingerprint", "")),
        int(known.get("resolution", 0)),
        int(known.get("seed", 0)),
    )


def _told(images: Labelled, size: int, reporter: Reporter) -> Iterator[Batch]:
    """The batches, with progress."""
    done = 0
    batches: Iterable[Batch] = images.batches(size)
    for batch in batches:
        yield batch
        done += len(batch.targets)
        reporter.advance(done)
