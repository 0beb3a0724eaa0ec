"""Further formats of a network: each is written, run in its own runtime, and compared with PyTorch there."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nas.base.errors import NasError, first_line
from nas.base.files import read_sealed, write_bytes, write_sealed
from nas.base.progress import Reporter
from nas.data import Batch, ImageData
from nas.data.given import GIVEN
from nas.exporting import FLOAT32_TOLERANCE, Format, Scoring, Source, compare, in_torch, scored
from nas.jobs.product import REAL, Product
from nas.runs import RunFolder
from nas.runs.searched import is_given
from nas.runs.stages import EVALUATION_BATCH

CALIBRATION_BATCH = 32

FIGURES = "exports.json"
"""Where the figures of exported files stand in a folder that is no run."""


@dataclass(frozen=True)
class Judges:
    """What formats are judged by.

    Attributes:
        calibration: training images in batches, for formats that read ranges from them.
        validation: validation images, on which accuracy is told; none where the data is gone.
        real: those on which scores are compared, number by number; None where the data is gone.
        reference: PyTorch on the validation images.
    """

    calibration: list[Any]
    validation: list[Batch]
    real: torch.Tensor | None
    reference: Scoring | None


def judges(
    product: Product, data: ImageData | None, formats: Sequence[Format], calibration_images: int, validation_images: int
) -> Judges:
    """The images that these formats need; none where there are no formats.

    Raises:
        NasError: the data is gone, and a format needs training images.
    """
    if not formats:
        return Judges([], [], None, None)
    calibrated = [made.name for made in formats if made.calibrated]
    if data is None:
        if calibrated:
            source = product.manifest.data["source"]
            if is_given(source):
                raise NasError(
                    f"--format {calibrated[0]} reads ranges from training images, and the run's data set "
                    f"'{source.removeprefix(GIVEN)}' was given as an object in Python: call "
                    "nas.export(RUN, data=THE_DATA_SET, formats=[...]) in Python"
                )
            raise NasError(
                f"--format {calibrated[0]} reads ranges from training images, and the run's data cannot be read: "
                f"{source} is gone or has changed; restore it"
            )
        return Judges([], [], None, None)
    calibration = []
    if calibrated:
        batches = product.batches(data, "train", CALIBRATION_BATCH, calibration_images)
        calibration = [batch.images.numpy() for batch in batches]
    validation = list(product.batches(data, "validation", EVALUATION_BATCH, validation_images))
    reference = scored(in_torch(product.deployed), validation, data.task)
    return Judges(calibration, validation, validation[0].images[:REAL], reference)


def convert(product: Product, made: Format, folder: Path, found: Judges, reporter: Reporter) -> dict[str, Any]:
    """Write a format beside the ONNX file of a folder.

    Returns:
        {"files", "bytes", "comparison", "calibration_images", "validation"}; see `_figures`.

    Raises:
        NasError: the network cannot be converted, or an exact format computes something else; nothing is written then.
    """
    reporter.say(f"writing {made.main} and running it beside PyTorch")
    source = Source(product.deployed, RunFolder(folder).onnx, product.input_shape, found.calibration)
    with tempfile.TemporaryDirectory() as place:
        draft = Path(place)
        try:
            made.write(source, draft)
            figures = _figures(product, made, made.open(draft / made.main, torch.get_num_threads()), found)
        except NasError as error:
            raise NasError(f"--format {made.name}: {error}") from error
        except Exception as error:  # each converter has kinds of errors of its own
            raise NasError(f"--format {made.name}: this network cannot be converted: {first_line(error)}") from error
        contents = {name: (draft / name).read_bytes() for name in made.files}
    for name, content in contents.items():
        write_bytes(folder / name, content)
    return {**figures, "files": list(contents), "bytes": sum(map(len, contents.values()))}


def _figures(product: Product, made: Format, run: Any, found: Judges) -> dict[str, Any]:
    """How near a file is to PyTorch: number by number, and in accuracy on the validation images.

    Raises:
        NasError: it ought to be as exact as PyTorch and is not, or its scores are no finite numbers.
    """
    comparison = compare(product.deployed, run, product.input_shape, FLOAT32_TOLERANCE, found.real)
    if not math.isfinite(comparison.largest_difference):
        raise NasError("the file was not written: its scores are no finite numbers, which its format is too narrow for")
    if made.exact and not comparison.agrees:
        raise NasError(
            f"the file was not written: it differs from PyTorch by {comparison.largest_difference:.1e} (at most "
            f"{comparison.tolerated:.1e} is accepted; scores vary with the input: {comparison.varied})"
        )
    told = comparison.to_json()
    if not made.exact:  # its scores are others by design: no tolerance would mean anything
        told = {name: told[name] for name in ("inputs", "largest_difference", "varied")}
    validation = None
    if found.reference is not None:
        scoring = scored(run, found.validation, found.reference.task)
        validation = {
            "before": found.reference.brief(),
            "after": scoring.brief(),
            scoring.task.agreement.name: scoring.agreement(found.reference),
            "images_per_second": scoring.images_per_second,
            "images_per_second_before": found.reference.images_per_second,
        }
    seen = sum(map(len, found.calibration)) if made.calibrated else None
    return {"comparison": told, "calibration_images": seen, "validation": validation}


def exported(folder: Path) -> dict[str, dict[str, Any]]:
    """What `convert` said of formats that were exported into a folder before, and whose files are still there.

    Raises:
        NasError: the file that says it is damaged.
    """
    path = _record(folder)
    if not path.exists():
        return {}
    try:
        exports: dict[str, dict[str, Any]] = read_sealed(path, "results").get("exports", {})
        return {name: entry for name, entry in exports.items() if all((folder / file).exists() for file in entry["files"])}
    except (AttributeError, KeyError, TypeError) as error:
        raise NasError(f"{path} is damaged: it does not say which formats were exported here") from error


def record(folder: Path, exports: dict[str, dict[str, Any]]) -> None:
    """Keep what `convert` said of formats in a run's results, or in a file of its own in a folder that is no run."""
    path = _record(folder)
    content = read_sealed(path, "results") if path.exists() else {}
    write_sealed(path, {**content, "exports": exports})


def _record(folder: Path) -> Path:
    results = RunFolder(folder).results
    return results if results.exists() else folder / FIGURES
