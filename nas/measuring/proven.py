"""Runtimes whose files are tried on this machine as they are written, before anything is timed."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from nas.base.errors import NasError, first_line
from nas.base.files import write_bytes
from nas.exporting.rounding import rounding_error, tolerated
from nas.measuring.runner import load_loader
from nas.measuring.runtime import Runtime

TOLERANCE = 1e-3
"""Largest difference to PyTorch in float32, relative to the largest value: runtimes join operators in other orders."""


class ProvenRuntime(Runtime):
    """A runtime of which a subclass says how a file is written; that the file runs, and computes the same, is seen to here.

    Attributes:
        packages: importable names that conversion and loading need.
        extra: of nas-toolkit, which brings the packages.
    """

    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""

    @abstractmethod
    def write(self, network: nn.Module, inputs: Sequence[tuple[int, ...]], path: Path, dtype: str) -> None:
        """Write a network as a file. Whatever it raises is told as a network that the runtime cannot run.

        Args:
            network: plain torch, in evaluation mode, on the CPU.
            inputs: shapes with the batch.
            path: with the runtime's suffix, in a temporary folder that may take other files beside it.
        """

    def require(self) -> None:
        """See `Runtime.require`."""
        missing = [package for package in self.packages if find_spec(package) is None]
        if missing:
            raise NasError(
                f"the runtime needs {' and '.join(missing)}, not installed here; install with: pip install "
                f"'nas-toolkit[{self.extra}]'"
            )

    def convert(self, network: nn.Module, inputs: Sequence[tuple[int, ...]], path: Path, dtype: str) -> None:
        """See `Runtime.convert`. The file is run once, and in float32 its outputs are compared with PyTorch's."""
        with tempfile.TemporaryDirectory() as folder:
            draft = Path(folder) / f"model{self.suffix}"
            try:
                self.write(network, inputs, draft, dtype)
                self._prove(network, inputs, draft, dtype)
            except NasError:
                raise
            except Exception as error:
                raise NasError(f"{self.summary}: this network cannot be run: {first_line(error)}") from error
            content = draft.read_bytes()
        write_bytes(path, content)

    @torch.no_grad()
    def _prove(self, network: nn.Module, shapes: Sequence[tuple[int, ...]], path: Path, dtype: str) -> None:
        rng = np.random.default_rng(0)
        inputs = [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
        threads = torch.get_num_threads()
        try:
            with _silent():
                outputs = load_loader(self.loader).load(path, inputs, 1, dtype)()
        finally:
            torch.set_num_threads(threads)
        images = [torch.from_numpy(given) for given in inputs]
        expected = network(*images).numpy()
        got = np.asarray(outputs[0])
        if got.size != expected.size:
            raise NasError(f"{self.summary}: this network gives {got.shape} there instead of {expected.shape}")
        if dtype != "float32":
            return
        difference = float(np.abs(got.reshape(expected.shape) - expected).max() / max(float(np.abs(expected).max()), 1e-12))
        if difference <= TOLERANCE:
            return
        allowed = tolerated(TOLERANCE, rounding_error(network, images, 1e-12) if len(images) == 1 else 0.0)
        if not difference <= allowed:
            raise NasError(
                f"{self.summary}: this network gives other values there than in PyTorch, by {difference:.1e} of the largest "
                f"(at most {allowed:.1e} is rounding); choose another runtime"
            )


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Runtimes write to the standard error of the process, past Python's."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
