"""Which devices are known for a space: those whose tables sum up all of its networks, unit by unit alike."""

from __future__ import annotations

from collections.abc import Sequence

from nas.base.errors import NasError
from nas.costs import LatencyTable, devices, latency_terms
from nas.costs.places import listed_places
from nas.jobs.coverage import coverage
from nas.supernet import Space, Task

Setting = tuple[Task, int, tuple[str, ...] | None, tuple[str, ...]]


def known_devices(space: Space, names: Sequence[str] = (), but: str | None = None) -> list[LatencyTable]:
    """Tables at one task that are complete for a space and list the same units of it.

    Args:
        names: those asked for; by default all that were measured, at the task of most of them, or the space's own.
        but: the name of a device that is not among them, because it is the new one.

    Raises:
        NasError: there is none, or one that was asked for does not cover the space, or not as the others do.
    """
    if space.separate:
        raise NasError(f"space '{space.name}' has no list of operators that all of its networks share; transfer needs one")
    if space.walk().image_resize is not None:
        raise NasError(
            f"space '{space.name}' searches the resolution of its images, and a transfer is made at one; measure the device's "
            "operators: nas measure"
        )
    if names:
        found = [devices()[name] for name in dict.fromkeys(names)]
        for table in found:
            latency_terms(space.walk(space.task_for(table)), table)
            if _setting(space, table) != _setting(space, found[0]):
                first = found[0]
                raise NasError(
                    f"tables '{first.name}' ({space.task_for(first)}, batch {first.batch}) and '{table.name}' "
                    f"({space.task_for(table)}, batch {table.batch}) differ in these or in the units that they list; give "
                    "devices measured alike"
                )
        return found
    groups: dict[Setting, list[LatencyTable]] = {}
    for table in devices().values():
        if table.estimated is None and table.name != but and coverage(space, table, space.name) is not None:
            groups.setdefault(_setting(space, table), []).append(table)
    if not groups:
        raise NasError(
            f"no installed table is complete for space '{space.name}', so that there is nothing to transfer from; 'nas devices "
            "NAME' says for which spaces a table is complete, and 'nas devices add FILE' adds one"
        )
    best = max(groups, key=lambda group: (len(groups[group]), group[0] == space.task))
    return groups[best]


def _setting(space: Space, table: LatencyTable) -> Setting:
    """What must agree for entries of two tables to stand beside one another: task, batch, what the constant of a linear model
    stands for, and the units that are listed."""
    constant = None if table.constant is None else tuple(sorted(table.constant.keys))
    return space.task_for(table), table.batch, constant, listed_places(space.walk(space.task_for(table)), table)
