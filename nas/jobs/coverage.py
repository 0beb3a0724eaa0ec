"""Which spaces a latency table covers."""

from __future__ import annotations

from dataclasses import dataclass

from nas.base.errors import NasError
from nas.choices import Option
from nas.costs import LatencyTable, latency_terms, measured_options
from nas.supernet import Space, open_space, space_names


@dataclass(frozen=True)
class Covered:
    """A space all of whose networks a table can sum up.

    Attributes:
        resolutions: the options of a resolution that is searched for which that holds; None where it holds for all.
        of: how many options there are.
    """

    space: str
    resolutions: tuple[Option, ...] | None
    of: int

    def __str__(self) -> str:
        if self.resolutions is None:
            return self.space
        return f"{self.space} (at {', '.join(map(str, self.resolutions))} of its {self.of} resolutions)"


def complete_for(table: LatencyTable) -> list[Covered]:
    """The installed spaces that a table covers.

    A table that names the spaces it was made for is only tried on these families: to open every installed space takes long.
    """
    families = {name.partition(":")[0] for name in table.spaces}
    found = []
    for name in space_names():
        if families and name.partition(":")[0] not in families:
            continue
        covered = coverage(open_space(name), table, name)
        if covered is not None:
            found.append(covered)
    return found


def coverage(space: Space, table: LatencyTable, name: str) -> Covered | None:
    """What a table knows of a space; None where it lacks anything at every resolution."""
    if space.separate:
        return None
    known = space.walk()
    if table.kinds.isdisjoint({use.unit.kind for use in known.units} | {operator.kind for operator in known.operators}):
        return None  # before it is walked once more, at the table's task
    try:
        walk = space.walk(space.task_for(table))
        latency_terms(walk, table)
        options = measured_options(walk, table)
    except NasError:
        return None
    if options is None or options.legal.all():
        return Covered(name, None, 0)
    return Covered(name, tuple(options.choice.options[code] for code in options.codes), len(options.legal))
