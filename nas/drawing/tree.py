"""The module tree of the operators that run, and where it is cut into blocks."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from functools import cache

from torch import nn

from nas.costs.counts import FREE
from nas.drawing.flow import Step
from nas.elastic import InputChoice, SelectedSum, Walk
from nas.elastic.structure import Depth, Optional, Switch

WRAPPERS: Mapping[type[nn.Module], tuple[str, ...]] = {
    Optional: ("module",),
    Depth: ("blocks",),
    Switch: ("candidates", "*"),
    InputChoice: ("branches", "*"),
    SelectedSum: ("branches", "*"),
}
"""Modules that only choose, with the names below them that a reader need not see."""

WHOLE = 0.75
"""A module that runs more than this share of all operators is the network under another name, not a block of it."""


class ModuleTree:
    """Decides, for each operator, the module that is its block.

    A unit is a block. So is a module whose class adds up or concatenates several tensors (residual blocks, cells), and one
    that runs operators between its modules, unless it lines up blocks (stages); and so is a module without modules
    inside it that have modules themselves.

    Args:
        run: the operators.
        walk: where they come from.
        classes: path -> class of the modules.
        whole: wrappers of this class are a block with everything below them.
    """

    def __init__(
        self, run: Sequence[Step], walk: Walk, classes: Mapping[str, type[nn.Module]], whole: type[nn.Module] | None = None
    ) -> None:
        self.run, self.classes, self.whole = run, classes, whole
        self.units = {walk.units[index].path for step in run for index in step.operator.units}
        self.children: dict[str, dict[str, None]] = {}
        self.below: dict[str, list[int]] = {}
        self.own: dict[str, list[int]] = {}
        for index, step in enumerate(run):
            path = step.operator.path
            self.own.setdefault(path, []).append(index)
            for ancestor in _lineage(path):
                self.below.setdefault(ancestor, []).append(index)
                if ancestor:
                    self.children.setdefault(_parent(ancestor), {})[ancestor] = None
        acting = {self._owner(path) for path in self.own if self.children.get(path)}
        joints = {path for path in self.own if self._joins(path)}
        self._joining = {self.class_of(self._owner(path)) for path in joints if self.children.get(path)}
        parts = {_parent(path) for path in joints if not self.children.get(path) or self._inputs(path) > 1}
        self._acting = {self.class_of(path) for path in acting | {self._owner(path) for path in parts}}
        self.is_block = cache(self._is_block)

    def block_of(self, index: int) -> tuple[str, int]:
        """The path of the block's module, and a number that tells operators of the network's own apart."""
        step = self.run[index]
        for path in _lineage(step.operator.path):
            if path and self.is_block(path):
                return path, 0
        return step.operator.path, index + 1

    def shown(self, path: str) -> str:
        """A path without the names that wrappers put into it."""
        kept, parts = [], path.split(".")
        skipped: list[str] = []
        for position, part in enumerate(parts):
            passed = bool(skipped) and skipped[0] in ("*", part)
            if not passed:
                kept.append(part)
            elif len(skipped) > 1:
                skipped.pop(0)
                continue
            wrapper = self.class_of(".".join(parts[: position + 1]))
            skipped = next((list(names) for kind, names in WRAPPERS.items() if issubclass(wrapper, kind)), [])
        return ".".join(kept)

    def candidates(self, path: str) -> list[str]:
        """The class names of what a switch chooses from, through switches inside it."""
        found: list[str] = []
        for place in itertools.count():
            inner = f"{path}.candidates.{place}"
            if inner not in self.classes:
                return found
            nested = issubclass(self.class_of(inner), Switch)
            found += self.candidates(inner) if nested else [self.class_of(inner).__name__]
        return found

    def _is_block(self, path: str) -> bool:
        kind, inside = self.class_of(path), self.children.get(path, {})
        if path in self.units or not inside or (self.whole is not None and issubclass(kind, self.whole)):
            return True
        if issubclass(kind, (*WRAPPERS, nn.ModuleList)):
            return False
        if kind in self._joining or (kind in self._acting and not self._lines_up_blocks(path)):
            return len(self.below[path]) <= WHOLE * len(self.run)
        if self._lines_up_blocks(path):
            return False
        if any(self.children.get(child) for child in inside):
            return False
        return not issubclass(kind, nn.Sequential) or self._weighty(self.below[path]) <= 1

    def _lines_up_blocks(self, path: str) -> bool:
        """Whether somewhere below there is a numbered list in which one block feeds the next."""
        lists = [inner for inner in self.below if inner == path or inner.startswith(f"{path}.")]
        for inner in lists:
            items = [item for item in self.children.get(inner, {}) if item.rpartition(".")[2].isdigit()]
            real = [item for item in items if self._is_real(item)]
            if any(self._feeds(first, second) for first, second in itertools.pairwise(real)):
                return True
        return False

    def _inputs(self, path: str) -> int:
        """How many tensors enter a module."""
        made = set(self.below[path])
        read = (sources for index in self.below[path] for sources in self.run[index].sources)
        return len({sources for sources in read if not made & set(sources)})

    def _joins(self, path: str) -> bool:
        """Whether a module itself adds up or concatenates several tensors."""
        kinds = ("elementwise", "concatenation")
        run = [self.run[index] for index in self.own[path]]
        return any(step.operator.kind in kinds and len(step.sources) > 1 for step in run)

    def _owner(self, path: str) -> str:
        """The module in whose name a wrapper or a list acts."""
        while path and issubclass(self.class_of(path), (*WRAPPERS, nn.ModuleList, nn.Sequential)):
            path = _parent(path)
        return path

    def _is_real(self, path: str) -> bool:
        """Whether an item of a list is a unit or does something itself, or inside the wrapper that it is."""
        if path in self.units or self.class_of(path) in self._joining | self._acting:
            return True
        return issubclass(self.class_of(path), tuple(WRAPPERS)) and any(map(self._is_real, self.children.get(path, {})))

    def _feeds(self, first: str, second: str) -> bool:
        made = set(self.below[first])
        return any(source in made for index in self.below[second] for sources in self.run[index].sources for source in sources)

    def _weighty(self, indices: Collection[int]) -> int:
        return sum(self.run[index].operator.kind not in FREE for index in indices)

    def class_of(self, path: str) -> type[nn.Module]:
        """The class of a module; nn.Module for a path that is none."""
        return self.classes.get(path, nn.Module)


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _lineage(path: str) -> list[str]:
    """'', 'a', 'a.b' for 'a.b'."""
    parts = path.split(".") if path else []
    return ["", *(".".join(parts[: count + 1]) for count in range(len(parts)))]
