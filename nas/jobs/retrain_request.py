"""What a retraining is asked for, looked at before anything is prepared."""

from __future__ import annotations

from typing import Any

from nas.architectures import Architecture
from nas.base.errors import NasError
from nas.data.tasks import Classification, kind_in
from nas.jobs.chosen import choose
from nas.jobs.run import Run
from nas.runs import RunConfig
from nas.runs.retraining import INHERIT, SCRATCH

OF_THE_RUN = (
    "compute",
    "precision",
    "cutout",
    "mixup",
    "cutmix",
    "randaugment",
    "seed",
    "allow_estimates",
    "path_column",
    "label_columns",
    "task",
    "class_weights",
)
"""Options that are the run's own where nothing else is asked."""


def options_of(source: Run, options: dict[str, Any]) -> RunConfig:
    """What was asked, with the run's own augmentation, precision and seed where nothing else was."""
    run = source.manifest.config
    own = {name: getattr(run, name) for name in OF_THE_RUN}
    given = {name: value for name, value in options.items() if value is not None}
    return RunConfig.checked(space=run.space, data=run.data, targets=run.targets, **{**own, **given})


def chosen_network(source: Run, architecture: str | None, runner_up: int | None) -> tuple[str, Architecture]:
    """What to call the network, and which it is."""
    if architecture is not None and runner_up is not None:
        raise NasError("--arch and --runner-up both say which network is meant; give one of them")
    if architecture is not None:
        name, found = choose(source.space.whole, architecture)
        if found == source.winner:
            return "winner", found
        return (f"{name}.json" if name == "winner" else name), found  # the winner of another run is none of this one
    if runner_up is None:
        return "winner", source.winner
    others = source.results["runners_up"]
    if not 1 <= runner_up <= len(others):
        legal = f"legal: 1 to {len(others)}" if others else "it kept none"
        raise NasError(f"run {source.path} has no runner-up {runner_up}; {legal}")
    return f"runner-up {runner_up}", source.space.validate(others[runner_up - 1]["architecture"])


def require_searched(source: Run, start: str, distill: bool) -> None:
    """Refuse what a run cannot give: a network, weights to inherit, a supernet to teach."""
    if start not in (INHERIT, SCRATCH):
        raise NasError(f"a network begins with '{INHERIT}' or with '{SCRATCH}'; given '{start}'")
    kind = source.manifest.kind
    if kind != "search":
        hint = f"search it with: nas search --supernet {source.path}" if kind == "train" else "give the run that it came from"
        raise NasError(f"run {source.path} is no search whose networks could be trained; {hint}")
    if not source.manifest.trains and start == INHERIT:
        raise NasError(f"run {source.path} trained nothing, so that there are no weights to inherit; use --{SCRATCH}")
    learned = kind_in(source.manifest.data)
    if distill and learned is not Classification:
        raise NasError(
            f"--distill teaches by the softmax of the teacher's scores, and run {source.path} learned {learned.kind}, which "
            "has none; leave it out"
        )
    if distill and (source.space.separate or not source.manifest.trains):
        raise NasError(f"run {source.path} has no supernet whose largest network could teach; leave out --distill")
