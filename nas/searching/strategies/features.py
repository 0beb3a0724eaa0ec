"""Zero-cost proxies as features of the predictors that strategies follow."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nas.base.errors import NasError
from nas.predicting import Encoding, open_proxy, with_proxies
from nas.predicting.predictor import require_features
from nas.searching.problem import Problem

MOST_SCORED = 1000
"""Candidates for a batch that proxies may have to be worked out for, where those need a network: at the tenth of a second that
an untrained network takes, that is two minutes."""

Features = Annotated[
    str,
    Field(description="zero-cost proxies that the predictor sees, too, as NAME,NAME; those beside params and macs need few "
          "candidates, since each one's network is built"),
]  # fmt: skip


def feature_names(text: str) -> list[str]:
    """Zero-cost proxies from 'NAME,NAME', each once. Raises NasError for one that there is not."""
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        open_proxy(name)
    return names


def with_features(problem: Problem, encoding: Encoding, features: str, predictor: str, candidates: int) -> Encoding:
    """The encoding with proxies as columns.

    Raises:
        NasError: an unknown proxy, a predictor that would not see them, a problem without networks, or more candidates for a
            batch than can be scored.
    """
    names = feature_names(features)
    if not names:
        return encoding
    require_features(predictor, f"features={','.join(names)}")
    if problem.proxies is None:
        raise NasError(f"features={','.join(names)} are scores of networks, and this search has none: leave them out")
    dear = [name for name in names if open_proxy(name).cost is None]
    if dear and candidates > MOST_SCORED:
        raise NasError(
            f"features={','.join(dear)} would need the networks of up to {candidates} candidates for every batch, and "
            f"{MOST_SCORED} is the most: lower the number of candidates (predictor: population x generations, such as "
            "generations=10; linas: inner=1000; bananas judges 100), or take proxies that are counted, params and macs"
        )
    return with_proxies(encoding, problem.proxies(names))
