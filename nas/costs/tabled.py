"""The metrics that tables of devices give: 'pixel1-latency', and 'board-energy' where a table has energies."""

from __future__ import annotations

from nas.base.errors import unknown
from nas.base.units import ENERGY, LATENCY, Quantity
from nas.costs.installed import devices
from nas.costs.table import LatencyTable

QUANTITIES = {"-latency": LATENCY, "-energy": ENERGY}


def is_tabled(metric: str) -> bool:
    """Whether a metric is read from a device's table, if there is such a device."""
    return metric.endswith(tuple(QUANTITIES))


def quantity_of_table(metric: str) -> Quantity:
    """How the figures of such a metric are written. Raises KeyError where it is not one."""
    for ending, quantity in QUANTITIES.items():
        if metric.endswith(ending):
            return quantity
    raise KeyError(metric)


def tabled_metrics() -> dict[str, Quantity]:
    """Every metric that an installed table gives."""
    tables = devices().values()
    with_energy = [table.energy for table in tables if table.energy is not None]
    return {table.metric: quantity_of_table(table.metric) for table in [*tables, *with_energy]}


def table_of(metric: str) -> LatencyTable:
    """The table whose `ms` are the figures of such a metric, aliases included; the same object as long as it is installed.

    Raises:
        NasError: no such device, or its table has no energies.
    """
    ending = next(ending for ending in QUANTITIES if metric.endswith(ending))
    table = devices()[metric.removesuffix(ending)]
    if ending == "-latency":
        return table
    if table.energy is None:
        having = [other.name for other in devices().values() if other.energy is not None]
        raise unknown("energy", metric, [f"{name}-energy" for name in having], f"Table '{table.name}' has latencies alone.")
    return table.energy
