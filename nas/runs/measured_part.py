"""The part of a space whose latency is known: of resolutions that are searched, those at which a device was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nas.architectures import Group, Restricted
from nas.costs import is_tabled, measured_options
from nas.runs.config import RunConfig
from nas.runs.reduction import keep_reduction
from nas.searching import parse_target
from nas.supernet import Space, Task, restricted


def measured_part(space: Space, config: RunConfig) -> Space:
    """The space with only those resolutions that the tables behind targets and objectives know; itself where they know all.

    Raises:
        NasError: a target is wrong, or a table knows none of the resolutions.
    """
    metrics = [parse_target(text, space).metric for text in config.targets]
    metrics += [name for name in (text.strip().partition(":")[0] for text in config.objectives) if is_tabled(name)]
    asked = None if config.deploy_resolution is None else Task(resolution=config.deploy_resolution)
    for metric in metrics:
        kept = kept_resolutions(space, metric, asked)
        if kept is not None:
            space = _with(space, *kept)
    return space


def kept_resolutions(space: Space, metric: str, task: Task | None = None) -> tuple[int, np.ndarray] | None:
    """Column and codes of the resolutions that a latency is known for; None where it is known for all, or none is searched."""
    table = space.device_of(metric)
    if table is None or space.separate:
        return None
    options = measured_options(space.walk(space.task_of(metric, task)), table)
    if options is None or options.legal.all():
        return None
    return space.whole.decisions.column[options.choice.name], options.codes


def _with(space: Space, column: int, codes: np.ndarray) -> Space:
    """The space with these options of one decision, besides what else it is reduced to."""
    decisions = space.decisions
    groups = list(decisions.groups) if isinstance(decisions, Restricted) else []
    place = next((place for place, group in enumerate(groups) if column in group.columns), None)
    if place is None:
        groups.append(Group(space.whole.decisions.names[column], (column,), codes.astype(np.uint8)[:, None]))
    else:
        group = groups[place]
        groups[place] = replace(group, codes=group.codes[np.isin(group.codes[:, group.columns.index(column)], codes)])
    part = restricted(space, Restricted(space.whole.decisions, groups))
    keep_reduction(space, part)
    return part
