"""Naming a group of operators that a device runs, and a latency table lists, as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nas.choices import Value


@dataclass(frozen=True)
class Unit:
    """Put on a module as its attribute `unit`: from its first to its last operator it is one entry of a table.

    Attributes:
        kind: such as 'mbconv' or 'conv'.
        attributes: what tells two units of the same kind and shapes apart; numbers may be symbolic.
        position: where in the network it sits, for tables whose source measured each place by itself.
    """

    kind: str
    attributes: Mapping[str, Value | str] = field(default_factory=dict)
    position: str = ""
