"""What a strategy is: ask/tell over a history."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from nas.architectures.decisions import Rows
from nas.base import plugins
from nas.base.errors import NasError, unknown
from nas.searching.history import History
from nas.searching.problem import Problem


class Strategy(ABC):
    """Proposes architectures.

    What it proposes is a function of the history and the seed alone: it makes its generators from the seed and its
    position in the history (`nas.base.seeds.generator`), so that a killed search, asked again, goes on identically. It
    may keep in memory what it can work out again from the history.

    Options are the arguments of `__init__` behind `problem` and `seed`, each with a default and annotated as
    `Annotated[int, Field(ge=1, description="...")]`; see `nas.searching.options`.

    Attributes:
        summary: one line for `nas strategies`.
        source: the paper.
        origins: option -> where its default is from, where that is not the source.
    """

    summary: ClassVar[str]
    source: ClassVar[str]
    origins: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem = problem
        self.seed = seed

    @abstractmethod
    def ask(self, history: History) -> Rows:
        """(N, D) legal canonical rows to evaluate next, none of them in the history at the fidelity that `fidelity` gives;
        empty when nothing is left."""

    def fidelity(self, history: History) -> float:
        """The share of a full evaluation, in (0, 1], for the rows that `ask` proposes at this point of the history."""
        return 1.0

    def remark(self) -> str | None:
        """What the user should know of what `ask` proposed last, such as that a predictor was not followed."""
        return None

    @classmethod
    def variants(cls) -> Mapping[str, type[Strategy]]:
        """Strategies that are asked for as NAME:VARIANT, where NAME is this one's."""
        return {}


def open_strategy(name: str) -> type[Strategy]:
    """The installed strategy of that name, such as 'evolution' or 'optuna:tpe'.

    Raises:
        NasError: there is none; lists what is installed.
    """
    base, _, variant = name.partition(":")
    found: Any = plugins.load("strategies", base, "strategy")
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise NasError(f"the entry point of strategy '{base}' must be a subclass of nas.searching.Strategy; it is {found!r}")
    if not variant:
        return found
    if variant not in found.variants():
        raise unknown("strategy", name, [f"{base}:{legal}" for legal in found.variants()] or plugins.installed("strategies"))
    return found.variants()[variant]


def strategy_names() -> list[str]:
    """Every installed strategy, variants included."""
    names = []
    for name in plugins.installed("strategies"):
        names += [name, *(f"{name}:{variant}" for variant in open_strategy(name).variants())]
    return names
