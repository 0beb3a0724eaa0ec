"""Latencies of operators that a table lacks, estimated from those that it has; only where that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from nas.base.errors import NasError
from nas.costs.fitted import FittedArrays
from nas.costs.key_features import FloatArray, Signature, signature
from nas.costs.keys import parse_key
from nas.costs.regressor import LEAST, Quality, Regressor
from nas.costs.table import LatencyTable


@dataclass(frozen=True)
class KindQuality:
    """What estimates of one kind of operators are worth.

    Attributes:
        attributes: names of those that operators of this kind have in the table.
        operators: distinct ones in the table.
        quality: None where these are too few.
    """

    kind: str
    attributes: tuple[str, ...]
    operators: int
    quality: Quality | None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        quality = None if self.quality is None else self.quality.to_json()
        return {"kind": self.kind, "attributes": list(self.attributes), "operators": self.operators, "quality": quality}


class Estimator:
    """Estimates by a table, with a regressor for each kind of operators, fitted when it is first needed and kept as arrays.

    Entries of the same operator at several positions or resolutions count as one, with their mean. Operators that were only
    measured together with others say nothing of one alone. Nor do the weights of a linear model, so a table that is one is
    refused.
    """

    def __init__(self, table: LatencyTable) -> None:
        self.table = table
        self._kept = FittedArrays(table)
        self._regressors: dict[Signature, Regressor] = {}
        self._qualities: dict[Signature, KindQuality] = {}

    @cached_property
    def _entries(self) -> dict[Signature, dict[str, float]]:
        if self.table.constant is not None:
            raise NasError(
                f"table '{self.table.name}' is no base for an estimate: it is a linear model of whole networks, whose weights "
                "are no operators' milliseconds; use a device whose operators were measured"
            )
        found: dict[Signature, dict[str, float]] = {}
        for key in dict.fromkeys(entry.key for entry in self.table.operators):
            milliseconds = self.table.lookup(key)
            if milliseconds:  # an operator that takes no time has no logarithm, and says nothing of others
                found.setdefault(signature(parse_key(key)), {})[key] = milliseconds
        return found

    def __call__(self, keys: Sequence[str]) -> FloatArray:
        """Operators -> (N,) milliseconds.

        Raises:
            NasError: the table has too few operators like one of them, or none that tells what an attribute of it costs.
        """
        parsed = [parse_key(key) for key in keys]
        found = np.empty(len(keys))
        for kind in dict.fromkeys(map(signature, parsed)):
            places = [place for place, key in enumerate(parsed) if signature(key) == kind]
            regressor = self._regressor(kind, keys[places[0]])
            try:
                found[places] = regressor([parsed[place] for place in places])
            except NasError as error:
                raise NasError(f"table '{self.table.name}' is no base for an estimate: {error}") from error
        return found

    def quality(self, key: str) -> KindQuality:
        """What estimates of operators like this one are worth."""
        return self._quality(signature(parse_key(key)))

    def qualities(self) -> list[KindQuality]:
        """What estimates are worth, kind by kind, in the order of the table."""
        return [self._quality(kind) for kind in self._entries]

    def unseen(self, key: str) -> bool:
        """Whether no entry of its kind has the shapes of an operator: estimates are worse there."""
        parsed = parse_key(key)
        return (parsed.inputs, parsed.output) not in self._regressor(signature(parsed), key).shapes

    def _quality(self, kind: Signature) -> KindQuality:
        if kind not in self._qualities:
            entries = self._entries[kind]
            quality = self._cross_validated(kind, next(iter(entries))) if len(entries) >= LEAST else None
            self._qualities[kind] = KindQuality(kind[0], kind[-1], len(entries), quality)
        return self._qualities[kind]

    def _regressor(self, kind: Signature, example: str) -> Regressor:
        if kind not in self._regressors:
            entries = self._entries.get(kind, {})
            if len(entries) < LEAST:
                raise NasError(
                    f"table '{self.table.name}' has {len(entries)} operators like '{example}', too few to estimate it from: "
                    f"it takes {LEAST} of the same kind, dimensions and names of attributes; measure it, or use another device"
                )
            known, name = list(map(parse_key, entries)), f"{_name(kind)}: covariance"
            parameters = self._kept.get(name)
            self._regressors[kind] = found = Regressor(known, np.array(list(entries.values())), parameters)
            if parameters is None:
                self._kept.put(name, found.parameters)
        return self._regressors[kind]

    def _cross_validated(self, kind: Signature, example: str) -> Quality:
        name = f"{_name(kind)}: quality"
        known = self._kept.get(name)
        if known is not None and len(known) == len(fields(Quality)):
            return Quality.from_array(known)
        quality = self._regressor(kind, example).quality()
        self._kept.put(name, quality.to_array())
        return quality


def _name(kind: Signature) -> str:
    """Of what is kept of a kind."""
    return " ".join([kind[0], str(kind[1]), str(kind[2]), *kind[3]])
