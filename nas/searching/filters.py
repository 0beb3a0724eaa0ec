"""Filters: zero-cost proxies that keep architectures from being evaluated."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.predicting import ProxyScorer, open_proxy
from nas.searching.objectives import DIRECTIONS
from nas.searching.problem import Problem, first_places

SAMPLE = 64
"""Random architectures that a share is taken of."""

LEAST_SHARE = 0.05
"""Of the sample at least three architectures are kept."""

FORM = (
    "write NAME:SHARE, such as naswot:0.5 for the better half, NAME:min:SHARE where less is better, or NAME>=SCORE, NAME<=SCORE"
)


@dataclass(frozen=True)
class Filter:
    """What a proxy must say of an architecture for it to be evaluated.

    Attributes:
        proxy: its name.
        larger: whether more is better.
        share: of random architectures, those with the best scores that are kept; None where `limit` is given.
        limit: the worst score that is kept.
    """

    proxy: str
    larger: bool
    share: float | None = None
    limit: float | None = None

    def __str__(self) -> str:
        if self.limit is not None:
            return f"{self.proxy} {'>=' if self.larger else '<='} {self.limit:g}"
        return f"the best {100 * (self.share or 0.0):g} % by {self.proxy}{'' if self.larger else ', less being better'}"


class FilterOfRows:
    """A filter with its limit, which is a property of the space and the seed: what is refused never depends on the search.

    Args:
        scorer: has the filter's proxy.
        rows: (N, D) random architectures, of which a share is taken.

    Raises:
        NasError: the filter would refuse them all; gives their lowest, middle and highest score.
    """

    def __init__(self, asked: Filter, scorer: ProxyScorer, rows: np.ndarray, reporter: Reporter | None = None) -> None:
        self.asked, self.scorer = asked, scorer
        self.sign = 1.0 if asked.larger else -1.0
        gains = np.sort(self._gains(rows, reporter))[::-1]
        if asked.share is None:
            self.least = self.sign * float(asked.limit or 0.0)
        else:
            self.least = float(gains[max(1, round(asked.share * len(gains))) - 1])
            self.least = max(self.least, float(gains[np.isfinite(gains)].min(initial=np.inf)))
        if not (gains >= self.least).any():
            raise NasError(f"filter {asked} refuses {len(gains)} of {len(gains)} random architectures; {self._range(gains)}")

    @property
    def limit(self) -> float:
        """The worst score that is kept."""
        return self.sign * self.least

    def __call__(self, row: np.ndarray) -> str | None:
        """Why the architecture of a row (D,) is not evaluated; None where it is."""
        gain = float(self._gains(row[None])[0])
        if gain >= self.least:
            return None
        reason = self.scorer.reason(row, self.asked.proxy)
        if reason is not None:
            return f"proxy '{self.asked.proxy}' is not defined for it: {reason}"
        sides = ("below", "at least") if self.asked.larger else ("above", "at most")
        return f"{self.asked.proxy} is {self.sign * gain:g}, {sides[0]} the limit of the filter, {self.limit:g}"

    def _gains(self, rows: np.ndarray, reporter: Reporter | None = None) -> np.ndarray:
        """(N,) scores, larger is better; -inf where there is none, or the network passes no signal on."""
        scores = self.scorer.scores(rows, [self.asked.proxy], reporter)[:, 0]
        return np.where(np.isfinite(scores), self.sign * scores, -np.inf)

    def _range(self, gains: np.ndarray) -> str:
        known = np.sort(self.sign * gains[np.isfinite(gains)])
        if not len(known):
            return "it has no score for any of them; choose another proxy, 'nas proxy SPACE' shows what they say"
        low, middle, high = known[0], known[len(known) // 2], known[-1]
        return f"their scores: minimum {low:g}, median {middle:g}, maximum {high:g}"


def parse_filter(text: str) -> Filter:
    """Read 'naswot:0.5', 'zen:min:0.5', 'naswot>=120' or 'l2<=400'.

    Raises:
        NasError: another form, an unknown proxy, or a share that is not between 0.05 and 0.95.
    """
    bound = re.fullmatch(r"\s*([A-Za-z0-9._-]+)\s*(>=|<=)\s*(\S+)\s*", text)
    if bound is not None:
        name, relation, number = bound.groups()
        open_proxy(name)
        return Filter(name, relation == ">=", limit=_number(number, text))
    name, *words = (part.strip() for part in text.split(":"))
    open_proxy(name)
    direction = words.pop(0) if len(words) == 2 else "max"
    if len(words) != 1 or direction not in DIRECTIONS:
        raise NasError(f"filter '{text}' is not understood; {FORM}")
    share = _number(words[0], text)
    if not LEAST_SHARE <= share <= 1 - LEAST_SHARE:
        raise NasError(
            f"a filter keeps a share between {LEAST_SHARE:g} and {1 - LEAST_SHARE:g} of random architectures; given {share:g} "
            f"in '{text}'"
        )
    return Filter(name, direction == "max", share=share)


def _number(text: str, whole: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise NasError(f"'{text}' in filter '{whole}' is no number; {FORM}")
    return found


def distinct_sample(problem: Problem, rng: np.random.Generator, count: int) -> np.ndarray:
    """Up to so many distinct random legal rows (N, D)."""
    rows = problem.sample(rng, count)
    return np.asfortranarray(rows[list(first_places(rows).values())])
