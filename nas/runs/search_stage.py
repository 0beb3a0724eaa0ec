"""The stage of a run that searches: the strategy, then random search beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.base.seeds import generator
from nas.choices import Option
from nas.runs.aims import Searched
from nas.runs.folder import RunFolder
from nas.runs.proxied import filters_of
from nas.searching import Problem, ProxyEvaluator, Reward, Strategy, StudyHistory, Trial, make_strategy, open_strategy, search
from nas.searching.driver import HOPELESS, Known
from nas.searching.executor import Evaluate, Executor, InTurn
from nas.searching.filters import FilterOfRows, distinct_sample
from nas.searching.history import REFUSED
from nas.searching.problem import keys
from nas.searching.ranking import ranked
from nas.searching.warm_start import WarmStart

SPARSE = 1000
"""Failed look-ups after which a search of a table ends: it may hold a hundredth of the space, and a look-up costs nothing."""


@dataclass(frozen=True)
class SearchOutcome:
    """What a search found.

    Attributes:
        ranked: distinct successful trials, the best first; with several objectives the pick of the front, then the front.
        trials: all successful ones of the search and of random search, whatever their fidelity.
        evaluations: how many the search made, `failures` of which failed.
        refused: how many proposals the filters kept from being evaluated.
        filters: what these were, with their limits.
        baseline: the same for random search with as many evaluations, without filters and warm start; None where the search
            was just that.
        strategy: its name.
    """

    ranked: list[Trial]
    baseline: list[Trial] | None
    trials: list[Trial]
    evaluations: int
    failures: int
    refused: int
    filters: tuple[FilterOfRows, ...]
    strategy: str


def search_stage(
    folder: RunFolder,
    setting: Searched,
    scorer: Evaluate | None,
    reporter: Reporter,
    baseline: Evaluate | None = None,
    derived: Mapping[str, Option] | None = None,
    executor: Executor | None = None,
) -> SearchOutcome:
    """Search with the strategy asked for, then with random search for comparison; goes on where a study stopped.

    Args:
        scorer: evaluates what the strategy proposes; None where zero-cost proxies alone are searched for.
        baseline: evaluates what random search proposes; the same by default.
        derived: decisions of the architecture at which the training arrived; a reduced space may not hold it.
        executor: evaluates what is proposed, in the place of `scorer` and `baseline`.
    """
    config, problem = setting.config, setting.problem(derived)
    inside = problem.derived is not None and bool(problem.decisions.contains(problem.derived[None])[0])
    asked = setting.strategy(inside)
    if setting.proxies is not None:
        setting.proxies.keep(folder.proxies)
    plain = asked == "random" and not setting.asked.filters and setting.asked.warm_start is None
    histories = [
        StudyHistory(folder.study, study, setting.space, problem.objectives, setting.plotted)
        for study in ("search", *["baseline"] * (not plain))
    ]
    known: Known = {}
    hopeless = HOPELESS if config.evaluate is None else SPARSE
    for history in histories:
        for key, trial in zip(keys(history.rows()), history.trials, strict=True):
            if trial.fidelity > REFUSED:
                known[key, trial.fidelity] = trial.metrics if trial.failure is None else trial.failure
    strategy = setting.opened(asked, problem)
    filters: tuple[FilterOfRows, ...] = ()
    if setting.proxies is not None:
        filters = filters_of(setting.proxies, setting.asked.filters, problem, config.seed, reporter)
    search(
        _warm(strategy, setting, reporter),
        histories[0],
        executor or InTurn(evaluation(scorer, setting), config.time_limit),
        config.evaluations,
        reporter,
        f"search: {asked}",
        known,
        (lambda row: _refusal(filters, row)) if filters else None,
        hopeless,
    )
    for history in histories[1:]:
        beside = make_strategy("random", open_strategy("random"), problem, config.seed)
        evaluate = executor or InTurn(evaluation(baseline or scorer, setting), config.time_limit)
        search(beside, history, evaluate, config.evaluations, reporter, "random search", known, hopeless=hopeless)
    return _outcome(histories, problem, setting, filters, asked)


def _outcome(
    histories: Sequence[StudyHistory], problem: Problem, setting: Searched, filters: tuple[FilterOfRows, ...], asked: str
) -> SearchOutcome:
    found, *others = (ranked(history.trials, problem.objectives, setting.chosen_by_target) for history in histories)
    if not found:
        raise NasError("the search evaluated nothing successfully; the study in the run's folder holds the reasons")
    made = [trial for trial in histories[0].trials if trial.fidelity > REFUSED]
    return SearchOutcome(
        found,
        others[0] if others else None,
        [trial for history in histories for trial in history.trials if trial.failure is None],
        len(made),
        sum(trial.failure is not None for trial in made),
        len(histories[0]) - len(made),
        filters,
        asked,
    )


def evaluation(evaluate: Evaluate | None, setting: Searched) -> Evaluate:
    """An evaluation that finds everything the objectives name: scores by proxies, and the reward."""
    names = setting.asked.objectives
    if setting.proxies is not None and names:
        evaluate = ProxyEvaluator(setting.proxies, names, evaluate)
    assert evaluate is not None
    return _rewarded(evaluate, setting.reward)


def _rewarded(evaluate: Evaluate, reward: Reward | None) -> Evaluate:
    """The same evaluation, with the reward among its figures."""
    if reward is None:
        return evaluate
    weigh = reward
    return lambda row, fidelity=1.0: weigh(row, evaluate(row, fidelity=fidelity))


def _refusal(filters: Sequence[FilterOfRows], row: np.ndarray) -> str | None:
    """Why the first filter that refuses a row does."""
    return next((reason for one in filters if (reason := one(row)) is not None), None)


def _warm(strategy: Strategy, setting: Searched, reporter: Reporter) -> Strategy:
    """The strategy behind the warm start that was asked for, if any."""
    scorer, asked = setting.proxies, setting.asked.warm_start
    if scorer is None or asked is None:
        return strategy
    rows = distinct_sample(strategy.problem, generator(setting.config.seed, "warm start"), asked.sample)
    return WarmStart(strategy, asked.ranked(rows, scorer, reporter), asked.count)
