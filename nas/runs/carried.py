"""A run as it travels to other processes, where its evaluations are made."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nas.base.errors import NasError
from nas.base.progress import Silent
from nas.runs.folder import RunFolder
from nas.runs.manifest import Manifest
from nas.runs.search_stage import evaluation
from nas.runs.searched import space_of
from nas.runs.setting import Setting, prepare
from nas.runs.stages import candidate_scorer, supernet_scorer, train_stage
from nas.runs.trained import FACTS, WEIGHTS, locate
from nas.searching import Scorer
from nas.searching.executor import Evaluate

PREFIX = "nas-worker-"
"""Of folders for what an evaluation needs on disk: a supernet until it is read, or checkpoints of candidates."""


@dataclass(frozen=True)
class CarriedRun:
    """All that a process on another machine needs of a run but its data, which has to be at the same place there.

    Called in that process, it makes the run's evaluation.

    Attributes:
        supernet: the files of the trained supernet; none where networks are trained one by one.
    """

    manifest: Manifest
    supernet: Mapping[str, bytes]

    def __call__(self) -> Evaluate:
        """The evaluation. Raises NasError where the space, the data or the device are not there."""
        if self.supernet:
            with tempfile.TemporaryDirectory(prefix=PREFIX) as place:
                for name, content in self.supernet.items():
                    (Path(place) / name).write_bytes(content)
                return open_evaluation(self.manifest, Path(place), Path(place))[1]
        scratch = tempfile.mkdtemp(prefix=PREFIX)
        atexit.register(shutil.rmtree, scratch, ignore_errors=True)
        return open_evaluation(self.manifest, None, Path(scratch))[1]


def carried(manifest: Manifest, supernet: Path | None) -> CarriedRun:
    """A run that travels.

    Args:
        supernet: the folder of the trained supernet, or of the run that holds it; None where there is none.
    """
    if supernet is None:
        return CarriedRun(manifest, {})
    folder = locate(supernet)
    return CarriedRun(manifest, {name: (folder / name).read_bytes() for name in (FACTS, WEIGHTS)})


def open_evaluation(manifest: Manifest, supernet: Path | None, scratch: Path) -> tuple[Setting, Evaluate]:
    """What a run searches, and its evaluation, in a process that is not the run's own.

    Args:
        scratch: a folder for the checkpoints of candidates.

    Raises:
        NasError: the space, the data or the device are not there, or are not those of the run.
    """
    config = manifest.config if supernet is None else manifest.config.model_copy(update={"supernet": str(supernet)})
    setting = prepare(config, space_of(manifest), left_out=manifest.data.get("left_out"))
    if setting.data.fingerprint != manifest.data["fingerprint"]:
        raise NasError(f"the data at {manifest.data['source']} is not that with which the run began")
    steps = manifest.plan["steps"]
    if setting.space.separate:
        scorer: Scorer = candidate_scorer(RunFolder(scratch), setting, steps, keep=False)
    else:
        scorer = supernet_scorer(setting, train_stage(RunFolder(scratch), setting, steps, Silent()))
    return setting, evaluation(scorer, setting)
