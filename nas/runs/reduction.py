"""How the space of a run was reduced to its best modules: enough to do it again without the run that was explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from nas.architectures import Decisions, Group, Restricted
from nas.base.errors import NasError
from nas.choices import Option
from nas.supernet import Space, restricted


@dataclass(frozen=True)
class KeptUnit:
    """What is left of a unit.

    Attributes:
        decisions: names.
        modules: the options of these decisions, for each module that is kept; idle decisions have their first option.
    """

    name: str
    decisions: tuple[str, ...]
    modules: tuple[tuple[Option, ...], ...]


@dataclass(frozen=True)
class Reduction:
    """How a space was reduced: enough to do it again without the run that was explained.

    Attributes:
        run: the folder of that run, absolute.
        top: how many modules of each unit are kept.
        base: how a manifest names the whole space.
        predictor, kendall_tau: by which modules were ranked, and how well it ranks architectures that it has not seen.
    """

    run: str
    top: int
    base: str
    predictor: str
    kendall_tau: float
    units: tuple[KeptUnit, ...]

    @property
    def name(self) -> str:
        """What a manifest calls the reduced space."""
        return f"{self.run}:top{self.top}"

    def to_json(self) -> dict[str, Any]:
        """For a manifest."""
        return asdict(self)

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Reduction:
        """The inverse of `to_json`. Raises NasError for anything else."""
        try:
            units = tuple(
                KeptUnit(unit["name"], tuple(unit["decisions"]), tuple(tuple(module) for module in unit["modules"]))
                for unit in content["units"]
            )
            return Reduction(**{**content, "units": units})
        except (KeyError, TypeError) as error:
            raise NasError(f"the reduced space in the run's manifest is damaged: {type(error).__name__}: {error}") from error

    def applied(self, whole: Space) -> Space:
        """The reduced space. Raises NasError where the whole one has no such decisions and options."""
        groups = [_group(whole.decisions, unit) for unit in self.units]
        space = restricted(whole, Restricted(whole.decisions, groups))
        _reductions[space] = self
        return space


_reductions: WeakKeyDictionary[Space, Reduction] = WeakKeyDictionary()


def reduction_of(space: Space) -> Reduction | None:
    """How a space was reduced; None for a whole one."""
    return _reductions.get(space)


def keep_reduction(space: Space, part: Space) -> None:
    """Note that a part of a space was reduced as the space was."""
    if space in _reductions:
        _reductions[part] = _reductions[space]


def _group(decisions: Decisions, unit: KeptUnit) -> Group:
    missing = [name for name in unit.decisions if name not in decisions.column]
    if missing:
        raise NasError(f"the reduced space has decision '{missing[0]}', which its whole space no longer has; begin a new run")
    columns = tuple(decisions.column[name] for name in unit.decisions)
    codes = [[decisions.choices[c].index(option) for c, option in zip(columns, module, strict=True)] for module in unit.modules]
    return Group(unit.name, columns, np.array(codes, dtype=np.uint8))
