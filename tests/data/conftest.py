"""Small pictures, folders and Parquet files made on the spot."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from nas.data import ImageData, load_data


@pytest.fixture(scope="session")
def digits() -> ImageData:
    return load_data(resolution=16)


@pytest.fixture
def picture() -> Callable[..., Image.Image]:
    """A picture of noise: the same arguments give the same picture."""

    def make(number: int = 0, size: tuple[int, int] = (16, 16), mode: str = "RGB") -> Image.Image:
        noise = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        return Image.fromarray(noise).convert(mode)

    return make


@pytest.fixture
def encode(picture: Callable[..., Image.Image]) -> Callable[..., bytes]:
    """The bytes of a picture of noise."""

    def make(number: int = 0, format: str = "PNG", **options: Any) -> bytes:
        stream = io.BytesIO()
        picture(number, **options).save(stream, format)
        return stream.getvalue()

    return make


@pytest.fixture
def fill(encode: Callable[..., bytes]) -> Callable[..., None]:
    """Fill class folders: fill(root, {"cat": 5, "dog": 5})."""

    def make(root: Path, counts: Mapping[str, int], **options: Any) -> None:
        for name, count in counts.items():
            (root / name).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                (root / name / f"{number:03}.png").write_bytes(encode(number, **options))

    return make


@pytest.fixture
def table(encode: Callable[..., bytes]) -> Callable[..., Path]:
    """Write a Parquet file in the hub's layout; `columns` replaces its columns, `names` goes into the metadata."""

    def make(
        path: Path,
        labels: Sequence[int | None],
        *,
        names: Sequence[str] | None = None,
        image: str = "img",
        label: str = "label",
        pictures: Sequence[bytes | None] | None = None,
        columns: Mapping[str, pa.Array] | None = None,
    ) -> Path:
        contents = pictures or [encode(number) for number in range(len(labels))]
        stored = [{"bytes": content, "path": None} for content in contents]
        kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
        made = columns or {image: pa.array(stored, kind), label: pa.array(labels, pa.int64())}
        rows = pa.table(dict(made))
        if names is not None:
            features = {"info": {"features": {label: {"names": list(names), "_type": "ClassLabel"}}}}
            rows = rows.replace_schema_metadata({"huggingface": json.dumps(features)})
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, path, row_group_size=4)
        return path

    return make
