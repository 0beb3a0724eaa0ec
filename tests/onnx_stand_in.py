"""In the place of torch's exporter, which takes seconds for a file that few tests look at."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@contextlib.contextmanager
def without_exporter(file: Path | None = None) -> Iterator[None]:
    """While inside, searches, retrainings and exports copy this ONNX file, or write an empty one."""
    from nas.exporting import Comparison

    content = b"" if file is None else file.read_bytes()

    def write(product: Any, path: Path, data: Any) -> Comparison:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return Comparison(18, {}, 0.0, 1e-4, True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas.jobs.product.write_onnx", write)
        yield
