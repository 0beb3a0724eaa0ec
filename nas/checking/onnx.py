"""Check that networks leave as ONNX and compute the same there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from nas.base.errors import NasError
from nas.checking.examination import Examination
from nas.checking.passes import TOLERANCE, differs
from nas.checking.report import Finding
from nas.exporting import export_onnx


@torch.no_grad()
def onnx(examination: Examination) -> Iterator[Finding]:
    """The ONNX file of an extracted network agrees with it in onnxruntime at batch 1 and 7.

    The networks are the space's smallest and those compared, taken evenly from the cheapest to the dearest.
    """
    if not examination.onnx:
        return
    smallest = examination.space.encode([examination.space.smallest])
    rows = np.unique(np.concatenate([smallest, examination.rows]), axis=0)
    order = np.argsort(examination.space.compiled("macs", examination.task)(rows), kind="stable")
    places = np.linspace(0, len(rows) - 1, examination.onnx).round().astype(int)
    spread = [*order[places], *np.delete(order, places)]
    exported = 0
    for row in rows[spread]:
        if exported == examination.onnx:
            return
        scores = examination.scores(row)
        if not differs(scores[:1].expand_as(scores), scores) or not _steady(examination, row):
            continue
        exported += 1
        with tempfile.TemporaryDirectory() as folder:
            try:
                export_onnx(examination.extracted(row), Path(folder) / "model.onnx", examination.task.input_shape, {})
            except (NasError, torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
                first = str(error).strip().split("\n")[0]
                yield Finding(
                    "onnx",
                    examination.name(row),
                    f"ONNX export fails or disagrees: {first}",
                    "use operators that torch's exporter covers, with no Python number taken from a tensor's values",
                )
                return
    if exported < min(examination.onnx, len(rows)):
        examination.remarks["onnx"] = (
            f"{exported} networks instead of {examination.onnx} were exported: the scores of the others are constant, or hang "
            "on rounding"
        )


def _steady(examination: Examination, row: np.ndarray) -> bool:
    """Whether single precision is enough for the scores, so that a difference means something."""
    random = torch.Generator().manual_seed(1)
    images = torch.randn(len(examination.images), *examination.task.input_shape, generator=random)
    return examination.rounding(row, images) <= TOLERANCE / 10
