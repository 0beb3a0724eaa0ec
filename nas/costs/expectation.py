"""The expected cost of an architecture whose decisions are drawn independently of one another, differentiable.

A sum of terms has the sum of their expectations, and a term over few decisions is a table whose axes are contracted with
the decisions' probabilities. So the figure is exact, and costs a few small products instead of a mean over samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nas.base.errors import NasError
from nas.costs.compiled import CompiledCost


def expected(cost: CompiledCost, probabilities: Sequence[torch.Tensor]) -> torch.Tensor:
    """The mean cost over all architectures, each weighed with the product of its options' probabilities.

    It is linear in each decision's probabilities, so entries need not add up to 1: with one-hot vectors it is the cost of
    that one architecture.

    Args:
        cost: a sum of tabulated terms: multiply-adds, parameters, or the latency of a table.
        probabilities: for each column of the space's decisions one tensor (options,), all of one dtype and on one device.

    Returns:
        Scalar in the unit of the cost; gradients reach the probabilities.

    Raises:
        NasError: the cost is a maximum, such as peak memory, or has a term of too many decisions to tabulate; or the
            probabilities do not fit the decisions.
    """
    if cost.reduction != "sum":
        raise NasError(
            "the expectation of a maximum is no sum over its terms; use a cost that adds up: macs, params or a latency"
        )
    if cost.untabulated:
        raise NasError(
            f"a term of this cost reads {cost.untabulated} decisions at once, too many to tabulate, so its expectation "
            "cannot be computed exactly; use another metric"
        )
    given, needed = [tuple(part.shape) for part in probabilities], [(int(n),) for n in cost.decisions.cardinalities]
    if given != needed:
        raise NasError(f"probabilities must have one tensor for each decision, of the shapes {needed}; given {given}")
    total = torch.tensor(cost.constant, dtype=torch.float64)
    if probabilities:
        total = total.to(probabilities[0])
    for columns, values in cost.tables:
        rest = torch.from_numpy(values).to(probabilities[columns[0]])
        for column in reversed(columns):
            rest = rest @ probabilities[column]
        total = total + rest
    return total
