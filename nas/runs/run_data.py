"""The data of a run, found again in the splits of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.data import ImageData, Reading, load_data
from nas.data.given import GIVEN
from nas.runs.manifest import Manifest
from nas.runs.searched import is_given
from nas.runs.trained import read_facts


def data_of(manifest: Manifest, path: Path, given: Any = None) -> ImageData:
    """The images that a run trained, validated and tested on, each in its split.

    Args:
        path: the run, for messages.
        given: the data themselves, of a run that was begun with an object in Python.

    Raises:
        NasError: the run used no images, or they are gone, have changed, or are an object that is not given again.
    """
    known = manifest.data
    if not known:
        raise NasError(f"run {path} looked its results up and saw no images: there is no data to train or to score on")
    require_given(manifest, given)
    found = load_data(
        known["source"] if given is None else given,
        resolution=known["resolution"],
        seed=_split_seed(manifest),
        channels=known["channels"],
        colours=(tuple(known["mean"]), tuple(known["std"])),
        reading=Reading(**known.get("reading", {})),
        left_out=known.get("left_out"),
    )
    require_same(found, manifest, path)
    return found


def require_given(manifest: Manifest, data: Any) -> None:
    """Raise NasError where a run learns from an object in Python and it is not given again, or is and should not be."""
    name = manifest.data.get("source", manifest.config.data)
    if is_given(name) and data is None:
        raise NasError(
            f"this run learns from the data set '{name.removeprefix(GIVEN)}', which was given as an object in Python and "
            "cannot be read again by a name: call the same function in Python with data=THE_DATA_SET, such as "
            "nas.resume(RUN, data=THE_DATA_SET); data in files need no help"
        )
    if data is not None and not is_given(name):
        raise NasError(f"this run reads its data from {name}; leave out data=")


def require_same(found: ImageData, manifest: Manifest, path: Path) -> None:
    """Raise NasError unless the data is what the run began with."""
    if found.fingerprint != manifest.data["fingerprint"]:
        raise NasError(
            f"the data at {manifest.data['source']} has changed since run {path} began; restore it, or begin a new run"
        )


def _split_seed(manifest: Manifest) -> int:
    """The seed of the run's splits: with a supernet of another run that run's."""
    if "seed" in manifest.data:
        return int(manifest.data["seed"])
    config = manifest.config
    return config.seed if config.supernet is None else read_facts(Path(config.supernet)).seed
