"""What a strategy is: ask/tell over a history."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from nas.architectures.decisions import Rows
from nas.base import plugins
from nas.base.errors import NasError
from nas.searching.history import History
from nas.searching.problem import Problem


class Strategy(ABC):
    """Proposes architectures.

    What it proposes is a function of the history and the seed alone: it makes its generators from the seed and its
    position in the history (`nas.base.seeds.generator`), so that a killed search, asked again, goes on identically. It
    may keep in memory what it can work out again from the history.

    Attributes:
        summary: one line for `nas strategies`.
        source: the paper.
    """

    summary: ClassVar[str]
    source: ClassVar[str]

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem = problem
        self.seed = seed

    @abstractmethod
    def ask(self, history: History) -> Rows:
        """(N, D) legal canonical rows to evaluate next, none of them in the history; empty when nothing is left."""


def open_strategy(name: str) -> type[Strategy]:
    """The installed strategy of that name. Raises NasError that lists what is installed."""
    found: Any = plugins.load("strategies", name, "strategy")
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise NasError(f"the entry point of strategy '{name}' must be a subclass of nas.searching.Strategy; it is {found!r}")
    return found
