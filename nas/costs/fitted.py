"""What was fitted to a latency table, kept in the user's folder so that it is fitted once: arrays, in safetensors files.

A file belongs to one content of one table: a table that changes is fitted anew. Nothing depends on these files; one that is
damaged, or cannot be written, only costs the time of another fit.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from nas.base.errors import NasError
from nas.base.files import write_bytes
from nas.costs.installed import user_folder
from nas.costs.table import LatencyTable

FloatArray = npt.NDArray[np.float64]

VERSION = "1"
"""Of what is fitted; another one is fitted anew."""


class FittedArrays:
    """Arrays of float64 by name, for one table."""

    def __init__(self, table: LatencyTable) -> None:
        content = VERSION + table.model_dump_json(by_alias=True)
        digest = hashlib.sha256(content.encode()).hexdigest()[:16]
        self.path = user_folder().parent / "estimates" / f"{table.name}-{digest}.safetensors"

    def get(self, name: str) -> FloatArray | None:
        """An array that was kept, None where there is none."""
        return self._read().get(name)

    def put(self, name: str, array: FloatArray) -> None:
        """Keep an array, if the folder can be written."""
        arrays = {**self._read(), name: np.asarray(array, dtype=np.float64)}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(self.path, save(arrays))
        except (NasError, OSError):
            return

    def _read(self) -> dict[str, FloatArray]:
        try:
            found = load(self.path.read_bytes())
        except (OSError, SafetensorError, ValueError):
            return {}
        return {name: array for name, array in found.items() if array.dtype == np.float64 and array.ndim == 1}
