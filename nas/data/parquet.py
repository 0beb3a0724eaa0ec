"""Parquet files in the layout of the Hugging Face hub: a column of encoded images and one of integer labels."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nas.base.errors import NasError
from nas.base.json_text import parsed
from nas.data.images import Labels
from nas.data.sources import SPLIT_NAMES, SPLITS, Found, Part, require_known, require_two_classes
from nas.data.tasks import Classification

_FILE_NAME = re.compile(r"(train|val|valid|validation|test)-\d{5}-of-(\d{5})(-[0-9a-f]+)?\.parquet")
_IMAGE_NAMES = ("image", "img")
_LABEL_NAMES = ("label", "labels", "fine_label")


class Rows:
    """Pictures in the rows of Parquet files, kept encoded in memory."""

    def __init__(self, files: Sequence[Path], columns: Sequence[pa.ChunkedArray]) -> None:
        self._files = files
        self._starts = [0, *np.cumsum([len(column) for column in columns]).tolist()]
        self._bytes = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.large_binary())

    def __len__(self) -> int:
        return len(self._bytes)

    def read(self, index: int) -> bytes:
        """The encoded picture of one row."""
        content = self._bytes[index].as_py()
        if content is None:
            raise OSError("the row holds no bytes")
        return bytes(content)

    def where(self, index: int) -> str:
        """The file, and the row in it counted from 0."""
        file = bisect_right(self._starts, index) - 1
        return f"{self._files[file]} row {index - self._starts[file]}"


def find_parquet(root: Path) -> Mapping[str, tuple[Path, ...]]:
    """The files of each split by canonical name, in order of their numbers; empty when `root` holds none.

    Raises NasError when a file of a numbered set is missing or a set has no training files.
    """
    for folder in (root, root / "data"):
        found: dict[str, list[Path]] = {}
        for path in sorted(folder.glob("*.parquet")):
            match = _FILE_NAME.fullmatch(path.name)
            if match:
                found.setdefault(SPLIT_NAMES[match[1]], []).append(path)
        if not found:
            continue
        for paths in found.values():
            _require_complete(paths)
        if "train" not in found:
            held = ", ".join(found)
            raise NasError(f"{folder} has Parquet files for {held} but no train-XXXXX-of-XXXXX.parquet; add it")
        return {split: tuple(found[split]) for split in SPLITS if split in found}
    return {}


def read_parquet(root: Path, files: Mapping[str, tuple[Path, ...]]) -> Found:
    """The parts in `files`; the classes are those that occur in training. Raises NasError on what cannot be used."""
    parts: dict[str, Rows] = {}
    labels: dict[str, list[Labels]] = {}
    identity = []
    names: Sequence[str] | None = None
    for split, paths in files.items():
        columns = []
        for path in paths:
            pictures, numbers, stated = _read_file(path, names)
            names = names or stated
            columns.append(pictures)
            labels.setdefault(split, []).append(numbers)
            identity.append(f"{path.relative_to(root).as_posix()} {path.stat().st_size} {len(numbers)}")
        parts[split] = Rows(paths, columns)
        if not len(parts[split]):
            raise NasError(f"the {split} files in {paths[0].parent} hold no rows; remove them or fetch them again")
    joined = {split: np.concatenate(numbers) for split, numbers in labels.items()}
    present = np.unique(joined["train"])
    classes = tuple(_name(number, names) for number in present)
    require_two_classes(root, classes)
    for split, numbers in joined.items():
        require_known(f"the {split} split of {root}", {_name(number, names) for number in np.unique(numbers)}, classes)
    absent = len(names) - len(present) if names else 0
    note = f"{absent} of the {len(names or ())} named classes have no image and are left out" if absent else ""
    found = {split: Part(parts[split], np.searchsorted(present, joined[split]).astype(np.int64)) for split in parts}
    return Found(Classification(classes), found, (*identity, *classes), note)


def _require_complete(paths: Sequence[Path]) -> None:
    totals = {int(match[2]) for path in paths if (match := _FILE_NAME.fullmatch(path.name))}
    if totals != {len(paths)}:
        raise NasError(
            f"{paths[0].parent} holds {len(paths)} file(s) of the set {paths[0].name} belongs to, whose names promise "
            f"{max(totals)}; fetch the missing files or remove those of another set"
        )


def _read_file(path: Path, names: Sequence[str] | None) -> tuple[pa.ChunkedArray, Labels, Sequence[str] | None]:
    """The encoded images, the labels as stored, and the class names: those given, or those the file states."""
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            image, label = _image_column(path, schema), _label_column(path, schema)
            table = file.read(columns=[image, label])
        pictures = table.column(image)
        stored = _bytes_type(schema.field(image))
        encoded = pa.chunked_array([chunk.field("bytes") for chunk in pictures.chunks], stored).cast(pa.large_binary())
    except (pa.ArrowException, OSError) as error:
        raise NasError(f"{path} cannot be read as Parquet ({error}); fetch or write it again") from error
    column = table.column(label)
    names = names or _class_names(schema, label)
    if column.null_count:
        raise NasError(f"{path} has {column.null_count} rows without a value in '{label}'; every image needs a label")
    numbers = column.cast(pa.int64()).to_numpy()
    top = len(names) if names else np.iinfo(np.int64).max
    wrong = numbers[(numbers < 0) | (numbers >= top)]
    if len(wrong):
        legal = f"0 to {top - 1}, as the class names say" if names else "0 and above"
        raise NasError(f"{path} has the label {wrong[0]} in '{label}'; legal: {legal}")
    return encoded, numbers, names


def _image_column(path: Path, schema: pa.Schema) -> str:
    fitting = [field.name for field in schema if _bytes_type(field) is not None]
    named = [name for name in _IMAGE_NAMES if name in fitting]
    if named:
        return named[0]
    if len(fitting) == 1:
        return str(fitting[0])
    raise NasError(
        f"{path} has {len(fitting) or 'no'} image columns (struct with a binary field 'bytes') and none of them named "
        f"image or img; its columns are {_listed(schema)}: name one of that type 'image'"
    )


def _label_column(path: Path, schema: pa.Schema) -> str:
    whole = [field.name for field in schema if pa.types.is_integer(field.type)]
    named = [name for name in _LABEL_NAMES if name in whole]
    if named:
        return named[0]
    if len(whole) == 1:
        return str(whole[0])
    raise NasError(
        f"{path} has {len(whole) or 'no'} integer columns and none of them named label, labels or fine_label; "
        f"its columns are {_listed(schema)}: name the one with the class numbers 'label'"
    )


def _bytes_type(field: pa.Field) -> pa.DataType | None:
    """The type of the binary field 'bytes' in a struct, or None when there is no such thing."""
    if not pa.types.is_struct(field.type) or field.type.get_field_index("bytes") < 0:
        return None
    inner = field.type.field("bytes").type
    return inner if pa.types.is_binary(inner) or pa.types.is_large_binary(inner) else None


def _listed(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)


def _class_names(schema: pa.Schema, label: str) -> Sequence[str] | None:
    """The names that the hub's metadata give the label's numbers, or None where they say nothing usable."""
    text = (schema.metadata or {}).get(b"huggingface")
    if text is None:
        return None
    try:
        found: Any = parsed(text)["info"]["features"][label]["names"]
    except (ValueError, KeyError, TypeError):
        return None
    usable = isinstance(found, list) and len(set(map(str, found))) == len(found) > 0
    return [str(name) for name in found] if usable else None


def _name(number: np.int64, names: Sequence[str] | None) -> str:
    return names[int(number)] if names else str(number)
