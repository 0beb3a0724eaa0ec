"""The counted costs that are sums over operators, by the names of their metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nas.base.errors import unknown
from nas.costs.compiled import Term
from nas.costs.counts import macs_terms, parameter_terms
from nas.costs.weights import WEIGHT_MODELS, weight_terms
from nas.elastic import Walk

SUMS: dict[str, Callable[[Walk], list[Term]]] = {
    "macs": macs_terms,
    "params": parameter_terms,
    **{name: partial(weight_terms, model=model) for name, model in WEIGHT_MODELS.items()},
}


def summed_terms(walk: Walk, metric: str) -> list[Term]:
    """The terms of 'macs', 'params', 'weights' or 'mcu-weights'.

    Raises:
        NasError: another metric, or an operator of unknown kind.
    """
    if metric not in SUMS:
        raise unknown("sum over operators", metric, SUMS)
    return SUMS[metric](walk)
