"""Operators of one kind as rows of numbers, read from their keys.

A regressor sees logarithms: of the sizes of both shapes, of the numbers among the attributes (kernel, stride, groups, expansion
ratio, ...), and of the elements that are read and written, which are the bytes that are moved but for a factor. The
multiply-adds of a convolution or a linear layer are products of these, and so a sum of features. Attributes that are words,
such as an activation, are zeros and ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nas.base.errors import NasError
from nas.costs.keys import OperatorKey

FloatArray = npt.NDArray[np.float64]
Signature = tuple[str, int, int, tuple[str, ...]]


class KeyFeatures:
    """Features of operators, as far as they differ among those that it is made for.

    Args:
        keys: operators of one kind, all with the same numbers of dimensions and names of attributes.
    """

    def __init__(self, keys: Sequence[OperatorKey]) -> None:
        self._first = keys[0]
        self._words = {
            name: sorted({str(key.attributes[name]) for key in keys})
            for name in keys[0].attributes
            if any(isinstance(key.attributes[name], str) for key in keys)
        }
        self._constant = {
            name: values.pop()
            for name in keys[0].attributes
            if len(values := {key.attributes[name] for key in keys}) == 1 and name not in self._words
        }
        every = self._columns(keys)
        self._kept = _distinct(every)
        self._mean = every[:, self._kept].mean(axis=0)
        self._deviation = every[:, self._kept].std(axis=0)

    def __call__(self, keys: Sequence[OperatorKey]) -> FloatArray:
        """Operators -> (N, F), standardised.

        Raises:
            NasError: an operator has an attribute of which the entries say nothing.
        """
        for key in keys:
            self._require_known(key)
        found: FloatArray = (self._columns(keys)[:, self._kept] - self._mean) / self._deviation
        return found

    def _require_known(self, key: OperatorKey) -> None:
        """Raise NasError where an attribute that the operator has was never seen to make a difference."""
        for name, values in self._words.items():
            if str(key.attributes[name]) not in values:
                raise NasError(f"its entries have {name}={' or '.join(values)}, and '{key}' has {name}={key.attributes[name]}")
        for name, value in self._constant.items():
            if key.attributes[name] != value:
                raise NasError(f"every entry has {name}={value}, and '{key}' has {name}={key.attributes[name]}")

    def _columns(self, keys: Sequence[OperatorKey]) -> FloatArray:
        sizes = np.array([[*key.inputs, *key.output] for key in keys], dtype=np.float64)
        rank = len(self._first.inputs)
        moved = sizes[:, :rank].prod(axis=1) + sizes[:, rank:].prod(axis=1)
        columns = [*np.log(np.maximum(sizes, 1.0)).T, np.log(moved)]
        for name in sorted(self._first.attributes):
            values = [key.attributes[name] for key in keys]
            if name in self._words:
                columns += [np.array([str(value) == word for value in values], dtype=np.float64) for word in self._words[name]]
            else:
                columns.append(np.log1p(np.maximum(np.array(values, dtype=np.float64), 0.0)))
        return np.stack(columns, axis=1)


def signature(key: OperatorKey) -> Signature:
    """Operators of one signature can be compared by features: kind, dimensions of the shapes, names of the attributes."""
    return key.kind, len(key.inputs), len(key.output), tuple(sorted(key.attributes))


def _distinct(columns: FloatArray) -> list[int]:
    """Columns that differ among the rows and are not another column again."""
    kept: list[int] = []
    for index, column in enumerate(columns.T):
        if np.ptp(column) > 1e-9 and not any(np.allclose(column, columns[:, other]) for other in kept):
            kept.append(index)
    return kept
