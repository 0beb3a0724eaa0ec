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
        try:
            latency_terms(open_space(name).walk(task), table)
        except NasError:
            continue
        found.append(name)
    return found
