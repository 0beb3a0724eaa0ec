"""Runtimes: what runs a network on a device. One class in one file is one runtime."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from nas.base import plugins
from nas.base.errors import NasError, unknown
from nas.exporting import Format


class Runtime(ABC):
    """How a network becomes a file that the runtime loads, and what loads it.

    Attributes:
        summary: one line.
        dtypes: what it computes in; the first is the default.
        suffix: of its files.
        loader: a Python file that the runner takes to the device. It imports the runtime and nothing of nas, and has
            `version()`, and `load(path, inputs, threads, dtype)`, which returns a function without arguments that runs
            the model once on the inputs (numpy arrays of float32) and returns its outputs, a list of what numpy takes.
        remote: whether the loader can run on a machine that has Python, numpy and the runtime alone.
        formats: in which networks can leave for this runtime; see `nas.measuring.formats`.
    """

    summary: ClassVar[str]
    dtypes: ClassVar[tuple[str, ...]] = ("float32",)
    suffix: ClassVar[str] = ".onnx"
    loader: ClassVar[Path]
    remote: ClassVar[bool] = True
    formats: ClassVar[tuple[Format, ...]] = ()

    @abstractmethod
    def require(self) -> None:
        """Raise NasError, naming the extra to install, where the runtime's packages are missing."""

    @abstractmethod
    def convert(self, network: nn.Module, inputs: Sequence[tuple[int, ...]], path: Path, dtype: str) -> None:
        """Write a network as a file.

        Args:
            network: plain torch, in evaluation mode, on the CPU.
            inputs: shapes with the batch.
            path: with the runtime's suffix; written whole or not at all.

        Raises:
            NasError: the runtime cannot run this network.
        """


def runtime_names() -> list[str]:
    """The installed runtimes."""
    return list(plugins.installed("runtimes"))


def list_runtimes() -> list[dict[str, Any]]:
    """Name, what it is, its types, and why it cannot be used here, if so."""
    found = []
    for name in runtime_names():
        runtime = plugins.load("runtimes", name, "runtime")()
        try:
            runtime.require()
            missing = None
        except NasError as error:
            missing = str(error)
        found.append({"name": name, "summary": runtime.summary, "dtypes": list(runtime.dtypes), "missing": missing})
    return found


def open_runtime(name: str, dtype: str | None = None) -> tuple[Runtime, str]:
    """A runtime and a type it computes in. Raises NasError for an unknown name, a type it lacks or a missing package."""
    found = plugins.load("runtimes", name, "runtime")()
    if not isinstance(found, Runtime):
        raise NasError(f"the runtime '{name}' is no nas.measuring.Runtime but {type(found).__name__}")
    chosen = dtype or found.dtypes[0]
    if chosen not in found.dtypes:
        raise unknown(f"type of runtime '{name}'", chosen, found.dtypes)
    found.require()
    return found, chosen
