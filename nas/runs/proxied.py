"""The zero-cost proxies that a run asks for: as objectives, as filters, for a warm start, and as a predictor's features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.base.seeds import generator
from nas.costs import is_tabled
from nas.data import ImageData
from nas.predicting import ProxyScorer, proxy_names
from nas.runs.config import RunConfig
from nas.searching import Problem, open_strategy
from nas.searching.filters import SAMPLE, Filter, FilterOfRows, distinct_sample, parse_filter
from nas.searching.problem import SCORED
from nas.searching.strategies.features import feature_names
from nas.searching.strategies.guided import Guided
from nas.searching.warm_start import WarmStartAsked, parse_warm_start
from nas.supernet import Space

PROBES = 8
"""Random architectures, of which a proxy must be defined for one."""


@dataclass(frozen=True)
class ProxiesAsked:
    """What zero-cost proxies are to do in a run, by the use that is made of them."""

    objectives: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    warm_start: WarmStartAsked | None = None
    features: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every proxy, once."""
        warm = () if self.warm_start is None else (self.warm_start.proxy,)
        return tuple(dict.fromkeys((*self.objectives, *(one.proxy for one in self.filters), *warm, *self.features)))


def proxies_asked(config: RunConfig, space: Space, measured: Sequence[str] = tuple(SCORED)) -> ProxiesAsked:
    """Read them from what was asked of a run.

    Args:
        measured: what an evaluation finds; costs and these are no proxies, though proxies may have the same name.

    Raises:
        NasError: an unknown proxy, or a filter or warm start that is not understood.
    """
    named = [text.partition(":")[0].strip() for text in config.objectives]
    installed = set(proxy_names()).difference(measured, space.metrics())
    features: list[str] = []
    if config.strategy is not None and issubclass(open_strategy(config.strategy), Guided):
        features = feature_names(str(config.strategy_options.get("features") or ""))
    return ProxiesAsked(
        tuple(name for name in named if name in installed),
        tuple(parse_filter(text) for text in config.filters),
        None if config.warm_start is None else parse_warm_start(config.warm_start),
        tuple(features),
    )


def proxies_alone(config: RunConfig, space: Space) -> bool:
    """Whether everything that is searched for is told by untrained networks and costs, so that nothing has to be trained."""
    if config.evaluate is not None or not config.objectives:
        return False
    named = [text.partition(":")[0].strip() for text in config.objectives]
    found = proxies_asked(config, space).objectives
    computed = [name for name in named if name in space.metrics() or is_tabled(name)]
    return bool(found) and len(found) + len(computed) == len(named)


def open_scorer(
    asked: ProxiesAsked,
    config: RunConfig,
    space: Space,
    data: ImageData | None,
    compute: torch.device,
    kept: Path | None,
) -> ProxyScorer | None:
    """What scores the proxies of a run; None where it asks for none.

    Args:
        kept: the file of the run's scores, where it has begun.

    Raises:
        NasError: more images than there are, or the scores are damaged.
    """
    if not asked.names or data is None:
        return None
    found = ProxyScorer(space, asked.names, data, config.proxy_images, config.seed, compute)
    if kept is not None:
        found.keep(kept)
    return found


def filters_of(
    scorer: ProxyScorer, asked: Sequence[Filter], problem: Problem, seed: int, reporter: Reporter | None = None
) -> tuple[FilterOfRows, ...]:
    """Filters with their limits. Raises NasError for one that refuses all of some random architectures."""
    if not asked:
        return ()
    rows = distinct_sample(problem, generator(seed, "filters"), SAMPLE)
    return tuple(FilterOfRows(one, scorer, rows, reporter) for one in asked)


def require_usable(scorer: ProxyScorer | None, asked: ProxiesAsked, problem: Problem, space: Space, seed: int) -> None:
    """Raise NasError where a proxy means nothing for networks of this space, or a limit refuses them all, before anything is
    spent."""
    if scorer is None:
        return
    rows = distinct_sample(problem, generator(seed, "proxies"), PROBES)
    for name in scorer.names:
        if not any(_defined(scorer, name, rows[[place]]) for place in range(len(rows))):
            raise NasError(
                f"proxy '{name}' is not defined for networks of space '{space.name}': {scorer.reason(rows[0], name)}; take "
                f"another one, 'nas proxy {space.name}' shows what each says of this space"
            )
    filters_of(scorer, [one for one in asked.filters if one.limit is not None], problem, seed)


def _defined(scorer: ProxyScorer, name: str, row: Rows) -> bool:
    return not bool(np.isnan(scorer.scores(row, [name])).any())


def scores_of(scorer: ProxyScorer | None) -> Callable[[Sequence[str]], Callable[[Rows], np.ndarray]] | None:
    """What a `Problem` offers to strategies; see there."""
    if scorer is None:
        return None
    known = scorer
    return lambda names: partial(known.scores, names=tuple(names))
