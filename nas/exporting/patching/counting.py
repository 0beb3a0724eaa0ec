"""Multiply-adds and memory of a stage and its patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import fx, nn

from nas.costs import MemoryModel, Term, macs_terms, memory_terms
from nas.elastic import Operator, Walk, walk
from nas.exporting.patching.patched import one_patch
from nas.exporting.patching.stage import Needs, Stage


def macs_of_nodes(stage: Stage, alone: Walk) -> dict[fx.Node, int]:
    """Multiply-adds of each convolution of a stage; convolutions are walked in the order of their nodes."""
    operators = [operator for operator in alone.operators if operator.kind == "conv2d"]
    nodes = [node for node in stage.nodes if isinstance(stage.modules.get(str(node.target)), nn.Conv2d)]
    figures = [sum(_numbers(macs_terms(_only(alone, operator)))) for operator in operators]
    return dict(zip(nodes, figures, strict=True))


def _only(found: Walk, operator: Operator) -> Walk:
    kept = tuple(one for one in found.operators if one is operator)
    return Walk(kept, (), (), {}, found.output)


def total_length(axis: Sequence[Mapping[fx.Node, Needs]], node: fx.Node, which: int) -> int:
    """How many rows or columns of a node's map all patches together compute."""
    return sum(needs[node][which][1] - needs[node][which][0] for needs in axis)


def largest(axis: Sequence[Mapping[fx.Node, Needs]]) -> list[Mapping[fx.Node, Needs]]:
    """The patches along an axis that no other exceeds in all maps."""
    profiles = {tuple(stop - start for (start, stop), _, _ in needs.values()): needs for needs in axis}
    return [
        needs
        for profile, needs in profiles.items()
        if not any(other != profile and all(a >= b for a, b in zip(other, profile, strict=True)) for other in profiles)
    ]


def walk_of_patch(stage: Stage, needs: tuple[Mapping[fx.Node, Needs], ...], channels: int) -> Walk:
    """The operators of one patch, whose part of the image has so many channels."""
    sides = [stop - start for start, stop in (axis[stage.image][0] for axis in needs)]
    return walk(one_patch(stage, (needs[0], needs[1])), (channels, sides[0], sides[1]))


def macs_of(found: Walk) -> int:
    """Multiply-adds of a network without choices."""
    return sum(_numbers(macs_terms(found)))


def peak_of(found: Walk, model: MemoryModel) -> int:
    """The peak memory of a network without choices, in bytes; 0 where it does nothing."""
    return max(_numbers(memory_terms(found, model)), default=0)


def _numbers(terms: Sequence[Term]) -> list[int]:
    return [int(np.asarray(term.evaluate({})).item()) for term in terms]
