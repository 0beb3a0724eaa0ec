"""The formats in which networks can leave, gathered from the installed runtimes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from nas.base import plugins
from nas.base.errors import NasError, first_line, unknown
from nas.exporting import Format, Run
from nas.measuring.runtime import Runtime, runtime_names

FLOAT32 = "onnx"
"""The format that every export writes, from which others are made."""


def every_format() -> dict[str, tuple[Runtime, Format]]:
    """The formats by name, each with its runtime; that which every export writes comes first."""
    found = {made.name: (runtime, made) for runtime in _runtimes() for made in runtime.formats}
    return dict(sorted(found.items(), key=lambda entry: (entry[0] != FLOAT32, entry[0])))


def require_format(name: str) -> Format:
    """A format whose runtime can be used here.

    Raises:
        NasError: there is no such format (lists those that there are), or a package is missing (names the extra to install).
    """
    known = every_format()
    if name not in known:
        raise unknown("format", name, known)
    runtime, made = known[name]
    try:
        runtime.require()
    except NasError as error:
        raise NasError(f"--format {name}: {error}") from error
    return made


def open_file(path: Path, trusted: bool = False) -> tuple[Run, str]:
    """An exported file in its runtime, with as many threads as torch uses, and what the runtime is, in words.

    Args:
        trusted: whether the file is known to be one's own, so that code in it may run.

    Raises:
        NasError: no format has such names, a package is missing, the file is damaged, or it may run code and is not trusted.
    """
    matching = [(runtime, made) for runtime, made in every_format().values() if made.suffix == path.suffix]
    if not matching:
        suffixes = sorted({made.suffix for _, made in every_format().values()})
        raise NasError(f"{path} is of no format that can be run; legal: files that end in {', '.join(suffixes)}, and folders")
    if not path.is_file():
        raise NasError(f"the file {path} does not exist; 'nas export RUN' writes one")
    runtime, made = matching[0]
    runtime.require()
    if made.runs_code and not trusted:
        raise untrusted(path)
    try:
        return made.open(path, torch.get_num_threads()), runtime.summary
    except Exception as error:  # each runtime has kinds of errors of its own
        raise NasError(f"{path} cannot be opened by {runtime.summary}: {first_line(error)}") from error


def untrusted(path: Path) -> NasError:
    """What is said of a file that may run code."""
    return NasError(
        f"opening {path} runs the code that it may hold; if you made it yourself, or trust whoever did, add --trust (a run's "
        "folder, an ONNX file, OpenVINO IR and an ExecuTorch program need none)"
    )


def _runtimes() -> Iterator[Runtime]:
    for name in runtime_names():
        runtime = plugins.load("runtimes", name, "runtime")()
        if isinstance(runtime, Runtime):
            yield runtime
