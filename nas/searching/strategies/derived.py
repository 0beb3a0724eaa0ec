"""No search at all: the network that the training itself arrived at."""

from __future__ import annotations

import numpy as np

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.searching.history import History
from nas.searching.problem import keys
from nas.searching.strategy import Strategy


class Derived(Strategy):
    """Proposes the one architecture that a trainer with architecture parameters derived."""

    summary = "the architecture that the training arrived at; for trainers that learn one"
    source = "Liu et al., DARTS: Differentiable Architecture Search, 2019"

    def ask(self, history: History) -> Rows:
        """The derived row, once.

        Raises:
            NasError: the training derived none, or one that breaks a bound.
        """
        row = self.problem.derived
        if row is None:
            raise NasError(
                "strategy 'derived' needs a supernet whose trainer derives an architecture, such as darts; "
                "use --strategy evolution with this one"
            )
        rows = np.asfortranarray(row[None])
        for bound in self.problem.limits:
            if not bound.keeps(rows)[0]:
                found, limit = bound.show(float(bound.measure(rows)[0])), bound.show(bound.limit)
                raise NasError(
                    f"the architecture that the training derived has {bound.metric} {found}, above {limit}; "
                    "search the same supernet with --strategy evolution, or raise the target"
                )
        return rows[:0] if keys(rows)[0] in set(keys(history.rows())) else rows
