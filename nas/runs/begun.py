"""The moment at which a run begins: from then on it can be gone on with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nas.runs.config import RunConfig
from nas.runs.folder import RunFolder
from nas.runs.manifest import Kind, Manifest, new_manifest, write_manifest

Started = Callable[[Path], None]
"""Is told the folder of a run as soon as there is something to go on with."""


@contextlib.contextmanager
def begun(
    folder: RunFolder, kind: Kind, config: RunConfig, plan: dict[str, Any], data: dict[str, Any], started: Started | None
) -> Iterator[Manifest]:
    """Inside, the folder is held, and its manifest says what was asked; see `nas.runs.manifest`."""
    with folder.locked():
        manifest = new_manifest(kind, config, plan, data)
        write_manifest(folder.path, manifest)
        if started is not None:
            started(folder.path)
        yield manifest
