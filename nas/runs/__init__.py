"""A run is a folder: what was asked, the trained supernet, the study. Stages skip what is already there."""

from nas.runs.aims import Searched
from nas.runs.config import RunConfig
from nas.runs.folder import RunFolder
from nas.runs.looked_up import prepare_lookup
from nas.runs.manifest import Manifest, read_manifest
from nas.runs.named import named_space
from nas.runs.proxied import proxies_alone
from nas.runs.reduction import Reduction, reduction_of
from nas.runs.search_stage import SearchOutcome, search_stage
from nas.runs.setting import Setting, prepare
from nas.runs.stages import (
    Trained,
    candidate_scorer,
    follow_stage,
    supernet_scorer,
    train_stage,
)

__all__ = [
    "Manifest",
    "Reduction",
    "RunConfig",
    "RunFolder",
    "SearchOutcome",
    "Searched",
    "Setting",
    "Trained",
    "candidate_scorer",
    "follow_stage",
    "named_space",
    "prepare",
    "prepare_lookup",
    "proxies_alone",
    "read_manifest",
    "reduction_of",
    "search_stage",
    "supernet_scorer",
    "train_stage",
]
