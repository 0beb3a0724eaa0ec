"""Which operators run, and which feeds which: the walk of a space with its views and forks resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nas.choices import evaluate
from nas.elastic import Operator, Walk

INPUT = -1
"""Stands for the images among the sources of an operator."""

VIEWS = frozenset({"reshape", "slice"})
"""Kinds that only rename what another operator made."""


@dataclass(frozen=True)
class Step:
    """One operator that computes something.

    Attributes:
        operator: as the walk recorded it.
        sources: for each tensor that it reads the steps that may have made it, or `INPUT`.
    """

    operator: Operator
    sources: tuple[tuple[int, ...], ...]


def steps(walk: Walk, codes: Mapping[str, int] | None = None) -> list[Step]:
    """The operators in order of execution, without views and forks.

    Args:
        codes: option index of every decision: only what this architecture runs, a fork being the side it takes. Without
            them every operator of the space, a fork being either side.
    """
    made: dict[int, tuple[int, ...]] = {}
    found: list[Step] = []
    for operator in walk.operators:
        if codes is not None and not bool(evaluate(operator.guard, codes)):
            continue
        sources = tuple(made.get(tensor.index, (INPUT,)) for tensor in operator.inputs)
        if operator.kind == "fork":
            if codes is None:
                made[operator.output.index] = tuple(dict.fromkeys([*sources[0], *sources[1]]))
            else:
                made[operator.output.index] = sources[0 if bool(evaluate(operator.attributes["condition"], codes)) else 1]
        elif operator.kind in VIEWS:
            made[operator.output.index] = sources[0]
        else:
            made[operator.output.index] = (len(found),)
            found.append(Step(operator, sources))
    return found
