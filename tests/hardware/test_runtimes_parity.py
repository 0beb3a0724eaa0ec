"""Every runtime that is installed computes what PyTorch does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from runtime_checks import outputs, runtime

from nas.base.errors import NasError

KINDS = ("convolution", "transformer", "network")
SLOW = {("executorch", kind) for kind in KINDS}
"""ExecuTorch's exporter takes seconds for a block and a minute for a network."""


def cases(*pairs: tuple[str, str]) -> list[object]:
    marked = [pytest.param(*pair, marks=[pytest.mark.slow] if pair in SLOW else []) for pair in pairs]
    return list(marked)


@pytest.mark.parametrize(
    ("name", "kind"),
    cases(
        *((name, kind) for name in ("executorch", "onnxruntime", "openvino", "pytorch") for kind in KINDS),
        ("ncnn", "convolution"),
        ("ncnn", "network"),
    ),
)
def test_float32(name: str, kind: str, tmp_path: Path) -> None:
    found, expected = outputs(runtime(name), kind, "float32", tmp_path)
    for got, wanted in zip(found, expected, strict=True):
        assert np.abs(got - wanted).max() < 1e-4 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("name", "kind"), cases(*((name, kind) for name in ("executorch", "onnxruntime") for kind in ("convolution", "network")))
)
def test_int8_is_near(name: str, kind: str, tmp_path: Path) -> None:
    found, expected = outputs(runtime(name), kind, "int8", tmp_path)
    for got, wanted in zip(found, expected, strict=True):
        assert 0 < np.abs(got - wanted).max() < 0.25 * np.abs(wanted).max()
        assert np.corrcoef(got.ravel(), wanted.ravel())[0, 1] > 0.98


def test_int8_of_products_with_batched_constants_runs(tmp_path: Path) -> None:
    """AutoFormer multiplies with a matrix for each row of positions, for which onnxruntime takes one scale alone."""
    found, expected = outputs(runtime("onnxruntime"), "transformer", "int8", tmp_path)
    assert np.corrcoef(found[0].ravel(), expected[0].ravel())[0, 1] > 0.95


def test_bfloat16_is_near_or_refused(tmp_path: Path) -> None:
    made = runtime("openvino")
    import openvino

    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        found, expected = outputs(made, "network", "bfloat16", tmp_path)
        assert 0 < np.abs(found[0] - expected[0]).max() < 0.1 * np.abs(expected[0]).max()
    else:
        with pytest.raises(NasError, match="this processor has no bfloat16"):
            outputs(made, "convolution", "bfloat16", tmp_path)


def test_ncnn_refuses_transformers_and_batches(tmp_path: Path) -> None:
    from runtime_checks import network

    made = runtime("ncnn")
    module, shape = network("transformer")
    path = tmp_path / "model.ncnn.zip"
    with pytest.raises(NasError, match="ncnn"):
        made.convert(module, [shape], path, "float32")
    module, shape = network("convolution")
    with pytest.raises(NasError, match="one image at a time, not 2"):
        made.convert(module, [(2, *shape[1:])], path, "float32")
    assert not path.exists()
