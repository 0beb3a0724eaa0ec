"""Targets: upper bounds on costs, as a user writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nas.architectures import Bound
from nas.base.errors import NasError, unknown
from nas.base.units import Quantity
from nas.costs import is_tabled
from nas.supernet import Space, Task


@dataclass(frozen=True)
class Target:
    """An upper bound on a cost.

    Attributes:
        metric: such as 'pixel1-latency', aliases resolved.
        limit: in the metric's base unit (ms, multiply-adds, parameters, bytes).
        quantity: how it is written.
    """

    metric: str
    limit: float
    quantity: Quantity

    def __str__(self) -> str:
        return f"{self.metric} <= {self.quantity.format(self.limit)}"

    def bound(self, space: Space, task: Task | None) -> Bound:
        """The target as a bound on rows of a space; counts are taken at the deployment task."""
        return Bound(self.metric, self.limit, space.compiled(self.metric, task), self.quantity.format)


def parse_target(text: str, space: Space) -> Target:
    """Read 'pixel-latency=80ms', 'macs<=300M', 'params<=5M', 'memory<=2MB'; '=' means '<='.

    Raises:
        NasError: unknown metric, device or unit (lists the legal ones), or a limit that is not above 0.
    """
    match = re.fullmatch(r"\s*([A-Za-z0-9._-]+)\s*(<=|=<|==|=|<|>=|>)\s*([^\s<>=].*?)\s*", text)
    if match is None:
        raise NasError(f"'{text}' is not a target; write METRIC=LIMIT, for example pixel-latency=80ms or macs<=300M")
    name, relation, limit_text = match.groups()
    if relation.startswith(">"):
        raise NasError(f"a target is an upper limit; '{text}' asks for a lower one, write {name}<={limit_text}")
    metrics = space.metrics()
    table = space.device_of(name) if is_tabled(name) else None
    resolved = table.metric if table else name
    if resolved not in metrics:
        raise unknown("target", name, metrics)
    limit = metrics[resolved].parse(limit_text)
    if not limit > 0:
        raise NasError(f"the limit of a target must be above 0; given: {text}")
    return Target(resolved, limit, metrics[resolved])
