"""Warm starts: the first evaluations are the best of a random sample by a zero-cost proxy, whatever the strategy."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.predicting import ProxyScorer, open_proxy
from nas.searching.history import REFUSED, History
from nas.searching.objectives import DIRECTIONS
from nas.searching.problem import keys
from nas.searching.strategy import Strategy

FORM = "write NAME, NAME:COUNT/SAMPLE such as naswot:10/100 for the ten best of a hundred, or NAME:min:COUNT/SAMPLE"


@dataclass(frozen=True)
class WarmStartAsked:
    """A warm start as it was asked for.

    Attributes:
        proxy: its name.
        larger: whether more is better.
        count: architectures that are evaluated first.
        sample: random ones of which they are the best.
    """

    proxy: str
    larger: bool = True
    count: int = 10
    sample: int = 100

    def __str__(self) -> str:
        less = "" if self.larger else ", less being better"
        return f"the {self.count} best of {self.sample} random architectures by {self.proxy}{less}"

    def ranked(self, rows: Rows, scorer: ProxyScorer, reporter: Reporter | None = None) -> Rows:
        """Rows (N, D) from the best score to the worst; those without a score, or with no signal, last."""
        scores = scorer.scores(rows, [self.proxy], reporter)[:, 0]
        gains = np.where(np.isfinite(scores), scores if self.larger else -scores, -np.inf)
        return np.asfortranarray(rows[np.argsort(-gains, kind="stable")])


class WarmStart(Strategy):
    """Another strategy that finds the first evaluations made.

    The first rows take the places of the first that the strategy would have proposed: of the random ones with which nearly
    every strategy begins. Where it proposes one of them later in its first batch, the next best of the sample comes instead.

    Args:
        strategy: goes on from there, and learns from what it finds.
        ranked: (N, D) distinct legal rows, the best first.
        count: how many of them come first.
    """

    summary = "the best of a random sample by a proxy first, then another strategy"
    source = "Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, 2021"

    def __init__(self, strategy: Strategy, ranked: Rows, count: int) -> None:
        super().__init__(strategy.problem, strategy.seed)
        self.strategy, self.ranked, self.first = strategy, ranked, ranked[:count]

    def ask(self, history: History) -> Rows:
        """See `Strategy`."""
        if len(history) < len(self.first):
            return self.first[len(history) :]
        rows = self.strategy.ask(history)
        fidelity = self.strategy.fidelity(history)
        warm = set(keys(self.first))
        at_hand = np.isin(history.fidelities()[: len(self.first)], (REFUSED, fidelity))
        known = warm & set(keys(history.rows()[: len(self.first)][at_hand]))
        repeated = [place for place, key in enumerate(keys(rows)) if key in known]
        if not repeated:
            return rows
        taken = {*keys(history.rows()), *keys(rows)}
        free = [place for place, key in enumerate(keys(self.ranked)) if key not in taken]
        replaced = rows.copy(order="F")
        for place, other in zip(repeated, free, strict=False):
            replaced[place] = self.ranked[other]
        return replaced

    def fidelity(self, history: History) -> float:
        """See `Strategy`."""
        return self.strategy.fidelity(history)

    def remark(self) -> str | None:
        """See `Strategy`."""
        return self.strategy.remark()


def parse_warm_start(text: str) -> WarmStartAsked:
    """Read 'naswot', 'naswot:10/100' or 'zen:min:10/100'.

    Raises:
        NasError: another form, an unknown proxy, or a sample that is smaller than what is taken of it.
    """
    name, *words = (part.strip() for part in text.split(":"))
    open_proxy(name)
    larger = True
    if words and words[0] in DIRECTIONS:
        larger = words.pop(0) == "max"
    if not words:
        return WarmStartAsked(name, larger)
    counts = re.fullmatch(r"([0-9]+)/([0-9]+)", words[0])
    if len(words) > 1 or counts is None:
        raise NasError(f"warm start '{text}' is not understood; {FORM}")
    count, sample = (int(number) for number in counts.groups())
    if not 1 <= count <= sample:
        raise NasError(
            f"a warm start evaluates the best 1 to {sample} of {sample} random architectures; given {count} in '{text}'"
        )
    return WarmStartAsked(name, larger, count, sample)
