"""The space and the data of a run: how a manifest names them, and how they are found again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from nas.base.errors import NasError
from nas.data.given import GIVEN, name_of
from nas.runs.manifest import Manifest
from nas.runs.reduction import Reduction, reduction_of
from nas.supernet import Space, Task, open_space
from nas.supernet.family import full_name, origin_of

PROBES = 256
"""Random architectures by whose canonical form a space is recognised."""


def reference(space: str | Space) -> str:
    """What a manifest says of a space: a name from which it is found again in any folder, where there is one."""
    if isinstance(space, str):
        return full_name(space)
    reduction = reduction_of(space)
    if reduction is not None:
        return reduction.name
    return origin_of(space) or f"{GIVEN}{space.name}"


def is_given(name: str) -> bool:
    """Whether a manifest's name of a space or of data is that of an object which only its maker can give again."""
    return name.startswith(GIVEN)


def fingerprint(space: Space) -> str:
    """Changes with any decision or option of a space, and with the conditions under which they matter."""
    decisions = space.decisions
    digest = hashlib.sha256(json.dumps([[choice.name, list(choice.options)] for choice in decisions.choices]).encode())
    if not space.separate:
        # Conditions are told by what they do: written out, those of a large graph are longer than memory.
        drawn = np.random.default_rng(0).random((PROBES, len(decisions))) * decisions.cardinalities
        digest.update(decisions.canonical(np.asfortranarray(drawn.astype(np.uint8))).tobytes())
    return digest.hexdigest()


def space_of(manifest: Manifest, given: Space | None = None) -> Space:
    """The space that a run searches.

    Args:
        given: the object itself, for a run that was begun with one.

    Raises:
        NasError: it cannot be found again, or its decisions have changed since the run began.
    """
    reduced = manifest.plan.get("reduced")
    reduction = None if reduced is None else Reduction.from_json(reduced)
    name = manifest.config.space if reduction is None else reduction.base
    if given is None and is_given(name):
        raise NasError(
            f"this run searches space '{name.removeprefix(GIVEN)}', which was given as an object in Python and cannot be found "
            "by a name: call the same function in Python with space=THE_SPACE; a run of 'path/to/file.py:NAME' needs no help"
        )
    space = given.whole if given is not None else open_space(name)
    expected = manifest.plan.get("decisions")
    if expected is not None and fingerprint(space) != expected:
        raise NasError(
            f"the decisions of space '{space.name}' are not those with which this run began; give the space as it was, or "
            "begin a new run"
        )
    if manifest.config.allow_estimates:
        space = space.with_estimates()
    return space if reduction is None else reduction.applied(space)


def with_estimates(space: Space) -> Space:
    """The space, or the reduced one, with estimated latencies of operators that tables lack."""
    reduction = reduction_of(space)
    return space.with_estimates() if reduction is None else reduction.applied(space.whole.with_estimates())


def space_in_force(manifest: Manifest, given: Space | None = None) -> Space:
    """The same for the tasks of the run."""
    plan = manifest.plan
    return space_of(manifest, given).at(Task(**plan["trained_at"]), Task(**plan["deployed_at"]))


def named_data(data: Any) -> tuple[str, Any]:
    """What a manifest says of data, and the object itself where it is one; None stands for the digits."""
    if data is not None and not isinstance(data, str | Path):
        return f"{GIVEN}{name_of(data)}", data
    source = str(data or "digits")
    if source != "digits" and Path(source).expanduser().exists():
        source = str(Path(source).expanduser().resolve())
    return source, None
