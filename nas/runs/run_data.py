"""The data of a run, found again in the splits of the run."""

from __future__ import annotations

from pathlib import Path

from nas.base.errors import NasError
from nas.data import ImageData, Reading, load_data
from nas.runs.manifest import Manifest
from nas.runs.trained import read_facts


def data_of(manifest: Manifest, path: Path) -> ImageData:
    """The images that a run trained, validated and tested on, each in its split.

    Args:
        path: the run, for messages.

    Raises:
        NasError: the run used no images, or they are gone or have changed.
    """
    known = manifest.data
    if not known:
        raise NasError(f"run {path} looked its results up and saw no images: there is no data to train or to score on")
    found = load_data(
        known["source"],
        resolution=known["resolution"],
        seed=_split_seed(manifest),
        channels=known["channels"],
        colours=(tuple(known["mean"]), tuple(known["std"])),
        reading=Reading(**known.get("reading", {})),
        left_out=known.get("left_out"),
    )
    require_same(found, manifest, path)
    return found


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
