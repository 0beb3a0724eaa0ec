"""Folders of pictures, one folder a class, with or without folders for the splits above them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nas.base.errors import NasError
from nas.data.decode import SUFFIXES
from nas.data.sources import LAYOUTS, SPLIT_NAMES, SPLITS, Found, Part, require_known, require_two_classes
from nas.data.tasks import Classification


class Files:
    """Pictures in files of their own, by path relative to `root`."""

    def __init__(self, root: Path, paths: list[str]) -> None:
        self._root = root
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, index: int) -> bytes:
        """The bytes of one file."""
        return (self._root / self._paths[index]).read_bytes()

    def where(self, index: int) -> str:
        """The path of one file."""
        return str(self._root / self._paths[index])


def read_folders(root: Path) -> Found:
    """The class folders under `root`, or under its train, val and test folders. Raises NasError on any other layout."""
    folders = _subfolders(root)
    if not folders:
        raise NasError(f"{root} holds no class folders and no Parquet files; {LAYOUTS}")
    splits = _split_folders(root, folders)
    if not splits:
        splits = {"train": root}
    classes = tuple(folder.name for folder in _subfolders(splits["train"]))
    parts, identity = {}, []
    for split, folder in splits.items():
        present = {child.name for child in _subfolders(folder)}
        if split != "train":
            require_known(str(folder), present, classes)
        part, lines = _read_part(root, folder, [name for name in classes if name in present], classes)
        parts[split] = part
        identity.extend(lines)
    require_two_classes(root, classes)
    ignored = [folder.name for folder in folders if splits["train"] != root and folder not in splits.values()]
    note = f"folders that are no split were ignored: {', '.join(ignored)}" if ignored else ""
    return Found(Classification(classes), parts, tuple(identity), note)


def _split_folders(root: Path, folders: list[Path]) -> Mapping[str, Path]:
    """The folders of the splits by canonical name, training first; empty when the folders are classes.

    A folder called 'train' that holds pictures itself is a class (of vehicles, perhaps), not a split.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        split = SPLIT_NAMES.get(folder.name.lower())
        if split is None or _pictures(folder) or not _subfolders(folder):
            continue
        if split in found:
            raise NasError(f"{root} has two {split} folders, {found[split].name} and {folder.name}; remove one of them")
        found[split] = folder
    if found and "train" not in found:
        held = ", ".join(folder.name for folder in found.values())
        raise NasError(f"{root} has {held} but no train folder with class folders in it; {LAYOUTS}")
    return {split: found[split] for split in SPLITS if split in found}


def _read_part(root: Path, folder: Path, present: list[str], classes: tuple[str, ...]) -> tuple[Part, list[str]]:
    """All pictures of one split in order of class and file name, and a line of identity for each."""
    paths: list[str] = []
    labels: list[int] = []
    lines: list[str] = []
    for name in present:
        pictures = _pictures(folder / name)
        if not pictures:
            raise NasError(f"the class folder {folder / name} holds no images ({', '.join(SUFFIXES)}); fill it or remove it")
        label = classes.index(name)
        for picture in pictures:
            relative = picture.relative_to(root).as_posix()
            paths.append(relative)
            labels.append(label)
            lines.append(f"{relative} {picture.stat().st_size}")
    return Part(Files(root, paths), np.array(labels, dtype=np.int64)), lines


def _subfolders(folder: Path) -> list[Path]:
    return [entry for entry in _entries(folder) if entry.is_dir() and entry.name != "__MACOSX"]


def _pictures(folder: Path) -> list[Path]:
    return [entry for entry in _entries(folder) if entry.suffix.lower() in SUFFIXES and entry.is_file()]


def _entries(folder: Path) -> list[Path]:
    """What the folder holds, by name; hidden entries are left out, for tools drop their own there."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        reason = error.strerror or error
        raise NasError(f"the folder {folder} cannot be read: {reason}; check its permissions") from error
