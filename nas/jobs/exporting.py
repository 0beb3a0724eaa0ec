"""Exporting the network of a run: again, elsewhere, or in further formats."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.base.files import write_text
from nas.base.progress import Reporter, Silent
from nas.data import ImageData
from nas.jobs.converting import convert, exported, judges, record
from nas.jobs.model_card import model_card
from nas.jobs.next_steps import after_export
from nas.jobs.product import product_of
from nas.jobs.run import Run
from nas.measuring.formats import FLOAT32, require_format
from nas.runs import Manifest, RunFolder
from nas.runs.manifest import MANIFEST
from nas.runs.run_data import data_of
from nas.supernet import Space


def export(
    path: str | Path,
    out: str | Path | None = None,
    space: Space | None = None,
    formats: Sequence[str] = (),
    calibration_images: int = 256,
    validation_images: int = 2000,
    reporter: Reporter | None = None,
    data: Any = None,
) -> dict[str, Any]:
    """Write the network of a run as ONNX (dynamic batch), as plain PyTorch and in further formats, each compared with PyTorch.

    Real images are compared too where the run's data can still be read.

    Args:
        path: a finished search, or the folder of a retrained network.
        out: a folder for the files; the run's own by default.
        space: for a run of a space that only exists as an object: the same again.
        formats: besides ONNX in float32: 'onnx-fp16', 'onnx-int8', 'torch-export', 'openvino', 'executorch', and those of
            other installed runtimes.
        calibration_images: at most so many training images give formats with integers their ranges.
        validation_images: at most so many validation images tell accuracy before and after.
        data: of a run that learned from a data set as an object: the same again.

    Returns:
        {"onnx", "source", "weights", "preprocessing", "card": paths, "comparison": figures of ONNX, "real_input": bool,
        "task": kind, "formats": {name: {"files", "bytes", "comparison", "calibration_images", "validation"}}, "next": [...]}.

    Raises:
        NasError: the run is not finished or has no weights, a format is unknown or its package missing, a file disagrees
            with PyTorch, or `out` is another run.
    """
    for name, count in (("--calibration-images", calibration_images), ("--validation-images", validation_images)):
        if count < 1:
            raise NasError(f"{name} cannot be {count}; legal: 1 and above")
    made = [require_format(name) for name in dict.fromkeys(formats) if name != FLOAT32]
    reporter = reporter or Silent()
    target = _target(Path(path), out)
    results, product = Run(path, space).results, product_of(path, space)
    images = _data(product.manifest, Path(path), data)
    found = judges(product, images, made, calibration_images, validation_images)
    # In a folder of its own nothing else writes, and there may be no run to lock.
    with target.locked() if target.path == Path(path) else contextlib.nullcontext():
        exports = exported(target.path)
        comparison = product.write(target, images)
        figures = {}
        for one in made:
            figures[one.name] = exports[one.name] = convert(product, one, target.path, found, reporter)
            record(target.path, exports)
        write_text(target.card, model_card(results, product.manifest, product.preprocessing, exports))
    main = next((entry["files"][-1] for entry in figures.values()), target.onnx.name)
    return {
        "onnx": str(target.onnx),
        "source": str(target.model),
        "weights": str(target.weights),
        "preprocessing": str(target.preprocessing),
        "card": str(target.card),
        "comparison": comparison.to_json(),
        "real_input": images is not None,
        "task": product.preprocessing.task.kind,
        "formats": figures,
        "next": after_export(str(path), target.path / main, product.manifest.data["source"]),
    }


def _target(run: Path, out: str | Path | None) -> RunFolder:
    """Where the files go. Raises NasError for the folder of another run, whose network they would replace."""
    if out is None or Path(out).resolve() == run.resolve():
        return RunFolder(run)
    target = RunFolder(Path(out))
    if (target.path / MANIFEST).exists() or target.results.exists():
        raise NasError(f"{out} holds a run of its own, whose files these would replace; name another folder with --out")
    return target


def _data(manifest: Manifest, path: Path, given: Any) -> ImageData | None:
    """The run's data, or None where it is gone or has changed. Raises NasError where an object is given that it is not."""
    if given is not None:
        return data_of(manifest, path, given)
    try:
        return data_of(manifest, path)
    except NasError:
        return None
