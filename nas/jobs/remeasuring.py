"""After a search for a device that is present: its winners as whole networks, beside what the table promised."""

from __future__ import annotations

from typing import Any

from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.costs.table import EnergyTable
from nas.measuring.whole import is_here, time_networks
from nas.supernet import Space


def remeasure(space: Space, figures: dict[str, Any], reporter: Reporter) -> None:
    """Add to the winner and its runners-up, under "measured", what each takes as a whole on every target's device that is here.

    {metric: {"ms", "spread", "predicted", "error"}}, the error being the table's in percent, above 0 where it says too much.
    A device that fails is told and left out: the search itself is done.
    """
    for metric in figures["latency"]:
        table = space.device_of(metric)
        if table is None or isinstance(table, EnergyTable) or not is_here(table):
            continue
        found = [figures["winner"], *figures["runners_up"]]
        task = space.task_of(metric)
        networks = [space.network(space.validate(one["architecture"]), task).eval() for one in found]
        try:
            measured = time_networks(networks, table, reporter)
        except NasError as error:
            reporter.say(f"{metric} of the winner could not be measured: {error}")
            continue
        for one, figure in zip(found, measured, strict=True):
            predicted = one["costs"][metric]
            error_share = 100 * (predicted / figure.ms - 1)
            entry = {"ms": figure.ms, "spread": figure.spread, "predicted": predicted, "error": error_share}
            one.setdefault("measured", {})[metric] = entry
