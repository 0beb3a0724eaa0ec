"""The decisions of the fabric, and the scale of each layer as a value of them (Li et al., BossNAS, 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nas.architectures.decisions import Rows
from nas.choices import Choice, Option, Value, all_of, minimum, tabulated, where
from search_spaces.hytra.paths import OPERATORS, SCALES, Path


@dataclass(frozen=True)
class Fabric:
    """Where the map is halved, and what each layer is.

    `start` is the map of the first layer. A count says how many layers its map has before it is halved; the smallest map
    takes what is left, and a count beyond what is left means the same as exactly that (`clipped`).
    """

    start: Choice
    counts: dict[int, Choice]
    operators: tuple[Choice, ...]

    @classmethod
    def of(cls, layers: int) -> Fabric:
        """The decisions for a number of layers."""
        counts = {scale: Choice(f"layers.{SCALES[scale]}", tuple(range(1, layers + 1))) for scale in (3, 2, 1)}
        operators = tuple(Choice(f"layer{index}.operator", OPERATORS[0]) for index in range(1, layers + 1))
        return cls(Choice("start", tuple(SCALES[scale] for scale in sorted(SCALES))), counts, operators)

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return len(self.operators)

    def scales(self) -> list[Value]:
        """The scale of each layer, symbolic."""
        start = self.start.map({name: scale for scale, name in SCALES.items()})
        used: Value = 0
        ends: list[Value] = []
        for scale, count in self.counts.items():
            used = minimum(used + where(all_of([start >= scale, used < self.layers]), count, 0), self.layers)
            ends.append(tabulated(used))
        first, second, third = ends
        return [tabulated((first > layer) + (second > layer) + (third > layer)) for layer in range(self.layers)]

    def clipped(self, rows: Rows) -> Rows:
        """Rows whose counts are no larger than what is left; the columns of `start` and the counts come first."""
        result = np.array(rows, order="F")
        left = np.full(len(rows), self.layers)
        for column, scale in enumerate(self.counts, 1):
            active = (result[:, 0] >= scale) & (left > 0)
            taken = np.minimum(result[:, column].astype(np.int64) + 1, left)
            result[active, column] = (taken[active] - 1).astype(np.uint8)
            left = np.where(active, left - taken, left)
        return result

    def decisions(self, path: Path) -> dict[str, Option]:
        """The decisions of a path; see `search_spaces.hytra.paths.parse_lists`."""
        scales = [scale for scale, _ in path]
        chosen: dict[str, Option] = {"start": SCALES[scales[0]]}
        chosen |= {count.name: scales.count(scale) for scale, count in self.counts.items() if scale in scales}
        for operator, (scale, name) in zip(self.operators, path, strict=True):
            if len(OPERATORS[scale]) > 1:
                chosen[operator.name] = name
        return chosen

    def path(self, decisions: Mapping[str, Option]) -> Path:
        """The inverse of `decisions`."""
        start = next(scale for scale, name in SCALES.items() if name == decisions[self.start.name])
        found: list[int] = []
        for scale, count in self.counts.items():
            if scale <= start and len(found) < self.layers:
                found += [scale] * min(int(decisions[count.name]), self.layers - len(found))
        found += [0] * (self.layers - len(found))
        places = zip(found, self.operators, strict=True)
        return tuple(
            (scale, str(decisions[operator.name]) if len(OPERATORS[scale]) > 1 else OPERATORS[scale][0])
            for scale, operator in places
        )
