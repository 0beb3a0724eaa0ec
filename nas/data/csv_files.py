"""CSV files of paths and labels, with or without a column that says which split an image belongs to."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.base.errors import NasError, unknown
from nas.data.decode import SUFFIXES, Pictures
from nas.data.folders import Files
from nas.data.labelling import labelled
from nas.data.reading import Learned, Reading
from nas.data.sources import SPLIT_NAMES, SPLITS, Found

CSV_SUFFIXES = (".csv", ".tsv")
PATH_NAMES = ("path", "file", "filename", "file_name", "filepath", "image", "image_path", "img")
LABEL_NAMES = ("label", "labels", "class", "category", "target", "targets", "tags", "y")
SPLIT_COLUMNS = ("split", "subset", "set", "fold")
SEPARATOR = ";"
"""Between the labels of one image."""

Row = Mapping[str, str]


def read_csv(path: Path, reading: Reading, known: Learned | None = None) -> Found:
    """The images and labels that a CSV file lists.

    The first line names the columns; they are separated by commas, tabs or semicolons. Paths are relative to the file.

    Args:
        known: by the network that the images are for; then they need no split for training.

    Raises:
        NasError: the file cannot be read, a column is not found, or a line lacks a path or a label, with the line's number.
    """
    columns, rows = _rows(path)
    if known is not None:
        reading = _suited(columns, reading, known)
    at = _path_column(path, columns, rows, reading)
    split = next((name for name in columns if name.strip().lower() in SPLIT_COLUMNS and _are_splits(rows, name)), None)
    labels = _label_columns(path, [name for name in columns if name not in (at, split)], reading)
    kind = reading.task or _kind(rows, labels)
    if len(labels) > 1 and kind != "regression":
        raise NasError(f"several columns of labels ({', '.join(labels)}) are for --task regression; name one --label-column")
    paths: dict[str, list[str]] = {}
    written: dict[str, list[Any]] = {}
    seen: dict[str, int] = {}
    for line, row in rows:
        place, name = f"{path} line {line}", row[at].strip()
        if not name:
            raise NasError(f"{place} has no path in '{at}'; add it or remove the line")
        if name in seen:
            several = f"; several labels of one image are written as a{SEPARATOR}b" if kind == "multi-label" else ""
            raise NasError(f"{place} lists {name} again, after line {seen[name]}; list each image once{several}")
        seen[name] = line
        part = "train" if split is None else _split(place, row[split])
        paths.setdefault(part, []).append(name)
        written.setdefault(part, []).append(_label(place, row, labels, kind))
    if "train" not in paths and known is None:
        raise NasError(
            f"{path} lists {', '.join(paths) or 'no'} images and none for training; add lines whose {split} is train"
        )
    parts: list[str] = [part for part in SPLITS if part in paths]
    identity = [f"{name} {_size(path.parent / name)}" for part in parts for name in paths[part]]
    pictures: dict[str, Pictures] = {part: Files(path.parent, paths[part]) for part in parts}
    names = labels if kind == "regression" else ()
    return labelled(
        path,
        kind,
        {part: written[part] for part in parts},
        pictures,
        (kind, *identity),
        names,
        known=None if known is None else known.task,
    )


def _suited(columns: Sequence[str], reading: Reading, known: Learned) -> Reading:
    """How a file is read for a network: as its task, and in the columns of its training where the file has them too."""
    task, usual = known.task, known.reading
    labels = task.names if task.kind == "regression" else usual.label_columns
    return Reading(
        reading.path_column or (usual.path_column if usual.path_column in columns else None),
        reading.label_columns or (labels if set(labels) <= set(columns) else ()),
        task.kind,
    )


def _rows(path: Path) -> tuple[list[str], list[tuple[int, Row]]]:
    """The names of the columns, and the lines that are not empty with their numbers."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            delimiter = next((mark for mark in (",", "\t", ";") if mark in header), ",")
            reader = csv.DictReader(file, delimiter=delimiter, strict=True)
            columns = list(reader.fieldnames or ())
            rows: list[tuple[int, Row]] = [
                (reader.line_num, row) for row in reader if any(isinstance(cell, str) and cell.strip() for cell in row.values())
            ]
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise NasError(f"{path} cannot be read as CSV in UTF-8: {error}") from error
    if len(set(columns)) < len(columns) or not rows:
        wrong = "names a column twice" if rows else "lists no image"
        raise NasError(f"{path} {wrong}; its first line names the columns, and each further one is an image: path,label")
    for line, row in rows:
        if None in row or None in row.values():
            raise NasError(f"{path} line {line} has not the {len(columns)} cells that the first line names; mend the line")
    return columns, rows


def _path_column(path: Path, columns: Sequence[str], rows: Sequence[tuple[int, Row]], reading: Reading) -> str:
    if reading.path_column is not None:
        return _named(path, columns, reading.path_column, "--path-column")
    known = [name for name in columns if name.strip().lower() in PATH_NAMES]
    if not known:
        known = [name for name in columns if rows[0][1][name].strip().lower().endswith(SUFFIXES)]
    if len(known) != 1:
        raise NasError(f"{path}: say which column holds the paths, with --path-column; its columns are {', '.join(columns)}")
    return known[0]


def _label_columns(path: Path, columns: Sequence[str], reading: Reading) -> tuple[str, ...]:
    if reading.label_columns:
        return tuple(_named(path, columns, name, "--label-column") for name in reading.label_columns)
    known = [name for name in columns if name.strip().lower() in LABEL_NAMES]
    found = known or list(columns)
    if len(found) != 1:
        listed = ", ".join(columns) or "no others"
        raise NasError(
            f"{path}: say which column holds the labels, with --label-column; besides paths and splits there are {listed}"
        )
    return (found[0],)


def _named(path: Path, columns: Sequence[str], name: str, option: str) -> str:
    if name not in columns:
        raise unknown(f"column of {path} in {option}", name, columns)
    return name


def _are_splits(rows: Sequence[tuple[int, Row]], column: str) -> bool:
    """Whether a column says which split an image belongs to; one called 'set' may be anything."""
    return rows[0][1][column].strip().lower() in SPLIT_NAMES


def _split(place: str, text: str) -> str:
    if text.strip().lower() not in SPLIT_NAMES:
        raise unknown(f"split in {place}", text.strip(), SPLIT_NAMES)
    return SPLIT_NAMES[text.strip().lower()]


def _kind(rows: Sequence[tuple[int, Row]], labels: Sequence[str]) -> str:
    """The task where none is named: several labels for some image make it multi-label."""
    several = any(SEPARATOR in row[labels[0]] for _, row in rows)
    return "multi-label" if several else "classification"


def _label(place: str, row: Row, labels: Sequence[str], kind: str) -> Any:
    """A class, a list of labels, or a list of numbers."""
    if kind == "multi-label":
        return [label.strip() for label in row[labels[0]].split(SEPARATOR) if label.strip()]
    empty = [name for name in labels if not row[name].strip()]
    if empty:
        raise NasError(f"{place} has no value in '{empty[0]}'; every image needs a label")
    if kind == "classification":
        return row[labels[0]].strip()
    try:
        return [float(row[name]) for name in labels]
    except ValueError as error:
        raise NasError(f"{place}: --task regression needs numbers in {', '.join(labels)}: {error}") from error


def _size(file: Path) -> int:
    """In bytes; -1 for a file that is not there, which is told with those that cannot be decoded."""
    try:
        return file.stat().st_size
    except (OSError, ValueError):  # a name that no file can have is a ValueError
        return -1
