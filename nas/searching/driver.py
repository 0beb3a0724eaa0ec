"""Running a strategy until its evaluations are spent."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.progress import Reporter, Silent
from nas.searching.executor import Evaluate, Executor, InTurn, Outcome
from nas.searching.fidelity import TOLERANCE, affordable, checked, spent
from nas.searching.history import REFUSED, History, Trial
from nas.searching.problem import Problem, keys
from nas.searching.strategy import Strategy

Refuse = Callable[[np.ndarray], str | None]
"""row -> why it is not worth an evaluation, or None."""

MOST_REFUSED = 2000
"""Proposals that may be refused one after the other before a search ends."""

Known = dict[tuple[bytes, float], Outcome]
"""Metrics by the key of an architecture and the fidelity at which they were found; why there are none, where it failed."""

HOPELESS = 10
"""Failed evaluations, with no success before them, after which a search ends: what fails is then not the architectures."""


def search(
    strategy: Strategy,
    history: History,
    evaluate: Evaluate | Executor,
    evaluations: int,
    reporter: Reporter | None = None,
    title: str = "searching",
    known: Known | None = None,
    refuse: Refuse | None = None,
    hopeless: int = HOPELESS,
) -> None:
    """Evaluate what the strategy proposes until `evaluations` are spent, or the space is exhausted.

    An evaluation that raises anything but a NasError, that returns a figure that is not finite, or none for an objective, is
    recorded with its reason and does not end the search.

    Args:
        evaluate: evaluates a row; or what evaluates several at once. The history is the same: outcomes are told in the order in
            which the strategy proposed.
        evaluations: how many full evaluations may be spent; one at half fidelity counts for half.
        known: what was found before, read and added to, so that nothing is evaluated twice.
        refuse: a filter. What it refuses is recorded like a failure, so that every strategy learns to stay away, and spends
            nothing.
        hopeless: the search ends where so many evaluations failed and none succeeded.

    Raises:
        NasError: so many evaluations failed, or the filter let nothing pass.
    """
    reporter = reporter or Silent()
    known = {} if known is None else known
    executor = evaluate if isinstance(evaluate, Executor) else InTurn(evaluate)
    needed = [objective.name for objective in strategy.problem.objectives if not objective.cheap]
    reporter.start(title, evaluations, _whole(history))
    said: str | None = None
    best = _Best(strategy.problem)
    try:
        while spent(history) < evaluations - TOLERANCE:
            rows, fidelity = strategy.ask(history), checked(strategy.fidelity(history))
            remark = strategy.remark()
            if remark is not None and remark != said:
                reporter.say(remark)
            said = remark
            rows = rows[: affordable(history, evaluations, fidelity)]
            if not len(rows):
                break
            for trial in _trials(rows, fidelity, executor, known, refuse, needed):
                history.add(trial)
                reporter.advance(_whole(history), best.told(history))
            if _ends(history, reporter, hopeless):
                break
    finally:
        reporter.finish()


def _ends(history: History, reporter: Reporter, hopeless: int) -> bool:
    """Whether a filter refuses everything by now. Raises NasError where nothing succeeded, and nothing is likely to."""
    evaluated = np.flatnonzero(history.fidelities() > REFUSED)
    if len(evaluated) >= hopeless and not np.isfinite(history.scores().max()):
        raise NasError(
            f"every evaluation so far has failed, all {len(evaluated)} of them; the study in the run's folder holds the reasons"
        )
    refused = len(history) - (int(evaluated[-1]) + 1 if len(evaluated) else 0)
    if refused < MOST_REFUSED:
        return False
    if not len(evaluated):
        raise NasError(f"the filter refused the first {MOST_REFUSED} proposals; let it keep a larger share")
    reporter.say(f"the filter refused the last {MOST_REFUSED} proposals: the search ends here")
    return True


class _Best:
    """The best evaluation so far in words, worked out when there is a better one."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._seen, self._place, self._top, self._text = 0, -1, -np.inf, ""

    def told(self, history: History) -> str:
        """What it scored, and what it costs of what is bounded or searched for; empty where nothing succeeded."""
        scores = history.scores(self._seen)
        if len(scores) and scores.max() > self._top:
            self._place, self._top = self._seen + int(scores.argmax()), float(scores.max())
            self._text = self._words(history.rows(self._place)[:1])
        self._seen += len(scores)
        return self._text

    def _words(self, row: Rows) -> str:
        problem = self.problem
        first = problem.objective
        costs = {bound.metric: bound.show(float(bound.measure(row)[0])) for bound in problem.bounds}
        for one in problem.objectives[1:]:
            if one.measure is not None:
                costs[one.name] = one.show(float(one.measure(row)[0]))
        words = [f"best {first.name} {first.show(first.sign * self._top)}", *(f"{name} {cost}" for name, cost in costs.items())]
        return ", ".join(words)


def _whole(history: History) -> int:
    return int(spent(history) + TOLERANCE)


def _trials(
    rows: Rows, fidelity: float, executor: Executor, known: Known, refuse: Refuse | None, needed: list[str]
) -> Iterator[Trial]:
    """The trials of a batch in its order. What is neither refused nor known is evaluated, each architecture once."""
    reasons = [refuse(row) if refuse is not None else None for row in rows]
    names = keys(rows)
    new = {
        key: row
        for key, row, reason in zip(names, rows, reasons, strict=True)
        if reason is None and (key, fidelity) not in known
    }
    outcomes = executor.outcomes(list(new.values()), fidelity)
    for key, row, reason in zip(names, rows, reasons, strict=True):
        if reason is not None:
            yield Trial(row, failure=reason, fidelity=REFUSED)
            continue
        if (key, fidelity) not in known:
            # What is new is met here in the order in which it was handed over.
            known[key, fidelity] = next(outcomes)
        yield _trial(row, fidelity, known[key, fidelity], needed)


def _trial(row: np.ndarray, fidelity: float, found: Outcome, needed: list[str]) -> Trial:
    if isinstance(found, str):
        return Trial(row, failure=found, fidelity=fidelity)
    for name in needed:
        if name not in found:
            there = ", ".join(found) or "nothing"
            return Trial(row, failure=f"there is no figure for objective '{name}'; what was found: {there}", fidelity=fidelity)
    return Trial(row, found, fidelity=fidelity)
