"""Residual branches that begin as nothing, so that a block begins as its shortcut.

The protocol for blocks: a method `last_norms()` returns the norms with which the block's residual branches end, whatever is
chosen; a block whose shortcut some architectures leave out returns none, since without it nothing would get through.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from nas.elastic.scales import scales


def last_norms(network: nn.Module) -> Iterator[nn.Module]:
    """The norms at the ends of a network's residual branches."""
    for module in network.modules():
        method = getattr(module, "last_norms", None)
        if callable(method):
            yield from method()


def zero_last_norms(network: nn.Module) -> int:
    """Set the scale of those norms to zero (Goyal et al. 2017); returns how many there were that have a scale."""
    count = 0
    for norm in last_norms(network):
        found = scales(norm)
        for scale in found:
            nn.init.zeros_(scale)
        count += bool(found)
    return count
