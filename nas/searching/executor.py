"""Where evaluations run: one after the other in this process, or in several others at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, runtime_checkable

import numpy as np

from nas.base.errors import NasError
from nas.base.interrupts import time_limit

Evaluate = Callable[..., Mapping[str, float]]
"""row -> metrics; also takes `fidelity=` where a strategy asks for less than full evaluations."""

Outcome = Mapping[str, float] | str
"""Metrics, or why there are none."""


@runtime_checkable
class Executor(Protocol):
    """Evaluates architectures, in any order and on any machine, and tells what came of them in the order they were given."""

    def outcomes(self, rows: Sequence[np.ndarray], fidelity: float) -> Iterator[Outcome]:
        """What came of evaluating rows (D,), one after the other.

        Raises:
            NasError: nothing can be evaluated at all.
        """


class InTurn:
    """Evaluates in this process, each architecture when its outcome is asked for.

    Args:
        seconds: what takes longer fails; None for no limit.
    """

    def __init__(self, evaluate: Evaluate, seconds: float | None = None) -> None:
        self.evaluate, self.seconds = evaluate, seconds

    def outcomes(self, rows: Sequence[np.ndarray], fidelity: float) -> Iterator[Outcome]:
        """See `Executor`."""
        for row in rows:
            yield measured(self.evaluate, row, fidelity, self.seconds)


def measured(evaluate: Evaluate, row: np.ndarray, fidelity: float, seconds: float | None = None) -> Outcome:
    """What evaluating one row comes to: an evaluation that raises, or finds what is no finite number, fails.

    Raises:
        NasError: that the evaluation raised; it then is not the architecture's fault.
    """
    limited: AbstractContextManager[Any] = nullcontext() if seconds is None else time_limit(seconds)
    try:
        with limited:
            metrics = evaluate(row) if fidelity == 1.0 else evaluate(row, fidelity=fidelity)
    except NasError:
        raise
    except Exception as error:
        # Whatever a network of a user's own does wrong, the others may be right.
        return failure(error)
    return next((f"{name} is {value}" for name, value in metrics.items() if not math.isfinite(value)), metrics)


def failure(error: Exception) -> str:
    """Why there are no metrics, as it is recorded."""
    return f"{type(error).__name__}: {error}"
