"""A finished run, for Python callers."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from nas.architectures import Architecture
from nas.base.errors import NasError
from nas.base.files import read_sealed
from nas.exporting import load_plain
from nas.runs import Manifest, RunFolder, read_manifest
from nas.runs.searched import space_in_force
from nas.supernet import Space


class Run:
    """The folder of a run that is complete.

    Args:
        path: the folder.
        space: for a run of a space that only exists as an object: the same again.

    Raises:
        NasError: it is no run, or not a finished one.
    """

    def __init__(self, path: str | Path, space: Space | None = None) -> None:
        self._given = space
        self.folder = RunFolder(Path(path))
        self.manifest: Manifest = read_manifest(self.folder.path)
        if not self.folder.results.exists():
            raise NasError(f"run {path} is not finished; go on with: nas resume {path}")

    @property
    def path(self) -> Path:
        """The folder."""
        return self.folder.path

    @cached_property
    def results(self) -> dict[str, Any]:
        """All figures, as in results.json."""
        found = read_sealed(self.folder.results, "results")
        if not isinstance(found, dict) or "kind" not in found:
            raise NasError(
                f"results {self.folder.results} are damaged; make them again: remove the file, then nas resume {self.path}"
            )
        return found

    @cached_property
    def space(self) -> Space:
        """The space that was searched."""
        return space_in_force(self.manifest, self._given)

    @cached_property
    def winner(self) -> Architecture:
        """The best architecture. Raises NasError for a run that only trained."""
        if not self.folder.winner.exists():
            raise NasError(f"run {self.path} only trained a supernet; search it with: nas search --supernet {self.path}")
        found = read_sealed(self.folder.winner, "winner")
        if not isinstance(found, dict) or not isinstance(found.get("architecture"), dict):
            raise NasError(f"winner {self.folder.winner} is damaged: it holds no architecture")
        return self.space.validate(found["architecture"])

    def network(self) -> nn.Module:
        """The winner as a plain torch module with its weights, in evaluation mode."""
        _ = self.winner
        if not self.manifest.trains:
            raise NasError(f"run {self.path} looked its results up and trained nothing: its winner has no weights")
        return load_plain(self.folder.model, self.folder.weights)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"
