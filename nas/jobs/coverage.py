"""Which spaces a latency table covers."""

from __future__ import annotations

from nas.base.errors import NasError
from nas.costs import LatencyTable, latency_terms
from nas.supernet import Task, open_space, space_names


def complete_for(table: LatencyTable) -> list[str]:
    """The installed spaces all of whose networks the table can sum up."""
    task = Task(table.channels, table.resolution, table.classes)
    found = []
    for name in space_names():
        space = open_space(name)
        if space.separate:
            continue
        known = space.walk()
        if table.kinds.isdisjoint({use.unit.kind for use in known.units} | {operator.kind for operator in known.operators}):
            continue  # before it is walked once more, at the table's task
        try:
            latency_terms(space.walk(task), table)
        except NasError:
            continue
        found.append(name)
    return found
