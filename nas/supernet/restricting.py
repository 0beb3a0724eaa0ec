"""A part of a space as a space: the same networks and costs, fewer architectures."""

from __future__ import annotations

import copy

from nas.architectures import Restricted
from nas.base.errors import NasError
from nas.supernet.space import Space

OWN = ("known", "smallest", "largest", "encoding")
"""What a space keeps once it was asked for, and which is not the same for a part of it."""


def restricted(space: Space, decisions: Restricted) -> Space:
    """The space with the architectures of `decisions` alone, which restrict its own.

    Rows, networks, supernets, costs and encodings are those of the whole space, to which `Space.whole` leads back: a supernet
    or a predictor of the whole serves the part. Known networks outside are left out.

    Raises:
        NasError: the legal architectures of the space depend on the task, so that no part of them can be fixed.
    """
    if type(space).at is not Space.at:
        raise NasError(f"space '{space.name}' has other architectures for other images, so that no part of it can be fixed")
    part = copy.copy(space)
    for name in OWN:
        part.__dict__.pop(name, None)
    part.decisions = decisions
    part._whole = space.whole
    part.encoding = space.whole.encoding
    rows = {name: space.whole.encode([architecture]) for name, architecture in space.whole.known.items()}
    part._known = {name: space.whole._known[name] for name, row in rows.items() if decisions.contains(row)[0]}
    return part
