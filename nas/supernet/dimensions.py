"""What each decision of a space changes, read from the modules that hold it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from nas.architectures import Decisions
from nas.choices import free_choices
from nas.elastic import Configurable, Depth, Dimension

RANK: tuple[Dimension, ...] = ("resolution", "width", "kernel", "depth", "operator")
"""A decision that several modules read counts as the first of these."""


def find_dimensions(decisions: Decisions, network: nn.Module) -> dict[str, Dimension]:
    """Decision -> what it changes; a decision that is read in several ways has the first of them by `RANK`."""
    found: dict[str, Dimension] = dict.fromkeys(decisions.names, "operator")
    for module in network.modules():
        if not isinstance(module, Configurable):
            continue
        for setting, value in module.settings.items():
            dimension = module.dimensions.get(setting, module.dimension)
            for choice in free_choices(value):
                if choice.name in found and RANK.index(dimension) < RANK.index(found[choice.name]):
                    found[choice.name] = dimension
    return found


def widths_by_depth(decisions: Decisions, network: nn.Module, dimensions: Mapping[str, Dimension]) -> dict[str, str]:
    """Decision of a width -> decision of a depth, for the widths that are read nowhere but inside one stage of that depth.

    A stage is a `Depth` that reads a single decision.
    """
    readers: dict[str, set[nn.Module]] = {}
    stages: dict[str, set[nn.Module]] = {}
    for module in network.modules():
        if isinstance(module, Configurable):
            for choice in free_choices(*module.settings.values()):
                readers.setdefault(choice.name, set()).add(module)
        if isinstance(module, Depth):
            read = [choice.name for choice in free_choices(*module.settings.values()) if choice.name in decisions.column]
            if len(read) == 1:
                stages.setdefault(read[0], set()).update(module.modules())
    # Of stages inside one another, the smallest is the one that a width belongs to.
    inner_first = sorted(stages, key=lambda depth: len(stages[depth]))
    found = {}
    for name, dimension in dimensions.items():
        depth = next((depth for depth in inner_first if readers.get(name, set()) <= stages[depth]), None)
        if dimension == "width" and depth is not None:
            found[name] = depth
    return found
