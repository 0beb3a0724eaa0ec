"""Formats in which a network can leave. A runtime brings those that it runs; see `nas.measuring.formats`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from nas.exporting.comparison import Run

FLOAT32_TOLERANCE = 1e-3
"""Largest difference to PyTorch that counts as agreement for formats in float32: runtimes join operators in other orders."""


@dataclass(frozen=True)
class Source:
    """What a file of any format is made from.

    Attributes:
        network: plain torch, in evaluation mode, on the CPU.
        onnx: the same as ONNX in float32, with a dynamic batch and texts that describe it.
        input_shape: (C, H, W).
        calibration: images (N, C, H, W), normalised, in batches, from which ranges are read; empty where none were asked for.
    """

    network: nn.Module
    onnx: Path
    input_shape: tuple[int, int, int]
    calibration: Sequence[Any] = ()


class Format(ABC):
    """One kind of file.

    Attributes:
        name: as the user types it.
        files: what `write` writes; the last is the one that is opened.
        summary: one line.
        exact: whether it computes in float32, so that it has to agree with PyTorch; others are judged by their accuracy.
        calibrated: whether ranges are read from training images.
        runs_code: whether opening a file runs what code it holds, so that only files one made oneself may be opened.
        loading: Python that makes `scores` (N, classes) of `images` (N, C, H, W), a numpy array of float32; FILE stands for the
            file that is opened.
        needs: packages that this code imports.
    """

    name: ClassVar[str]
    files: ClassVar[tuple[str, ...]]
    summary: ClassVar[str]
    exact: ClassVar[bool] = True
    calibrated: ClassVar[bool] = False
    runs_code: ClassVar[bool] = False
    loading: ClassVar[str]
    needs: ClassVar[str]

    @abstractmethod
    def write(self, source: Source, folder: Path) -> None:
        """Write the files into a temporary folder. Whatever it raises is told as a network that cannot be converted."""

    @abstractmethod
    def open(self, path: Path, threads: int) -> Run:
        """The file in its runtime, as a function of images. Whatever it raises is told as a file that cannot be opened."""

    @property
    def main(self) -> str:
        """The file that is opened."""
        return self.files[-1]

    @property
    def suffix(self) -> str:
        """Of the file that is opened."""
        return Path(self.main).suffix

    def code(self) -> str:
        """Python that makes scores of images with the file."""
        return self.loading.strip().replace("FILE", self.main)
