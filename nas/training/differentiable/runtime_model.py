"""The resource of a network as a differentiable function of the indicators of its superkernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch

from nas.base.errors import NasError
from nas.choices import Choice
from nas.costs import CompiledCost, Term, expected
from nas.supernet.superkernels import Superkernel
from nas.training.differentiable.thresholds import Indicators, option_probabilities

RuntimeForm = Literal["paper", "exact"]


class LayerwiseRuntime:
    """The model of Single-Path NAS: a sum over layers, each from a few entries of its table.

    With R_w the entry of width w at the largest kernel and R_k that of kernel k at the largest width, a layer takes
    Rc = d0 (R_w0 + d1 (R_w1 - R_w0 + ...)), times r_k0 + d (r_k1 - r_k0 + ...) for the ratios r_k = R_k / R of the largest. So
    entries of smaller kernels at smaller widths are approximated.

    Args:
        terms: of the cost; each may depend on the decisions of one superkernel.
        choices: the space's decisions; those of no superkernel are at their last option.

    Raises:
        NasError: a term depends on several superkernels.
    """

    def __init__(self, terms: Sequence[Term], kernels: Sequence[Superkernel], choices: Sequence[Choice]) -> None:
        self._kernels = kernels
        self.constant = 0.0
        owner = {choices[column].name: place for place, kernel in enumerate(kernels) for column in kernel.columns}
        last = {choice.name: len(choice.options) - 1 for choice in choices}
        entries = [np.zeros(len(kernel.codes)) for kernel in kernels]
        for term in terms:
            owners = sorted({owner[choice.name] for choice in term.choices if choice.name in owner})
            if len(owners) > 1:
                raise NasError(
                    f"the resource of one operator depends on '{kernels[owners[0]].name}' and '{kernels[owners[1]].name}' "
                    "together, which a sum over layers cannot hold; use --set runtime=exact"
                )
            if not owners:
                self.constant += float(np.max(term.evaluate({c.name: np.array([last[c.name]]) for c in term.choices})))
                continue
            kernel = kernels[owners[0]]
            searched = {choices[column].name: kernel.codes[:, place] for place, column in enumerate(kernel.columns)}
            codes: Mapping[str, Any] = {
                choice.name: searched.get(choice.name, np.full(len(kernel.codes), last[choice.name])) for choice in term.choices
            }
            entries[owners[0]] += np.asarray(term.evaluate(codes), dtype=np.float64)
        self.tables = [self._table(kernel, values) for kernel, values in zip(kernels, entries, strict=True)]

    def _table(self, kernel: Superkernel, values: np.ndarray) -> np.ndarray:
        """(kernels, widths) what the layers add where they are run; what they take where they are not joins the constant."""
        run = kernel.levels[:, 0] == 1
        table = np.empty((kernel.shells + 1, len(kernel.widths[0])))
        table[kernel.levels[run, 1], kernel.levels[run, 2]] = values[run]
        left_out = float(values[~run].max()) if kernel.optional else 0.0
        self.constant += left_out
        return table - left_out

    def __call__(self, indicators: Sequence[Indicators]) -> torch.Tensor:
        """What was decided for each superkernel -> scalar in the unit of the cost."""
        total: torch.Tensor | float = self.constant
        for kernel, decided, table in zip(self._kernels, indicators, self.tables, strict=True):
            groups: tuple[torch.Tensor | float, ...] = decided.groups if kernel.optional else (1.0, *decided.groups)
            runtime = _nested(groups, table[-1].tolist())
            ratio = _nested((1.0, *decided.shells), (table[:, -1] / table[-1, -1]).tolist())
            total = total + runtime * ratio
        assert isinstance(total, torch.Tensor)
        return total


class ExactRuntime:
    """The exact sum over the operators of the network that the indicators stand for."""

    def __init__(self, cost: CompiledCost, kernels: Sequence[Superkernel]) -> None:
        self._cost, self._kernels = cost, kernels

    def __call__(self, indicators: Sequence[Indicators]) -> torch.Tensor:
        """What was decided for each superkernel -> scalar in the unit of the cost."""
        like = next(one for decided in indicators for one in decided.shells + decided.groups)
        return expected(self._cost, probabilities(self._kernels, indicators, self._cost.decisions.cardinalities, like))


def probabilities(
    kernels: Sequence[Superkernel], indicators: Sequence[Indicators], cardinalities: np.ndarray, like: torch.Tensor
) -> list[torch.Tensor]:
    """For each decision of the space its options' probabilities; decisions of no superkernel are at their last option."""
    found = [like.new_zeros(count) for count in cardinalities.tolist()]
    for vector in found:
        vector[-1] = 1.0
    for kernel, decided in zip(kernels, indicators, strict=True):
        for column, vector in zip(kernel.columns, option_probabilities(kernel, decided), strict=True):
            found[column] = vector
    return found


def _nested(factors: Sequence[torch.Tensor | float], values: Sequence[float]) -> Any:
    """f0 (v0 + f1 (v1 - v0 + f2 (v2 - v1 + ...)))."""
    total: Any = 0.0
    for place in reversed(range(len(values))):
        total = factors[place] * (values[place] - (values[place - 1] if place else 0.0) + total)
    return total
