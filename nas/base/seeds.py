"""Every random number of a run comes from one seed and the name of the stream that needs it.

A stream is re-made from (seed, name, position) rather than carried along, so that a resumed run needs to know only where
it stopped to draw the same numbers.
"""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, *stream: str | int) -> np.random.Generator:
    """A generator for one named stream: the same arguments give the same numbers on every machine."""
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else int(part) for part in stream]
    return np.random.default_rng(np.random.SeedSequence([int(seed), *words]))


def integer_seed(seed: int, *stream: str | int) -> int:
    """A 63-bit seed for libraries that want an integer, from the same naming of streams."""
    return int(generator(seed, *stream).integers(0, 2**63 - 1))
