"""Benchmarks and strategies as a user writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from nas.architectures import Bound
from nas.architectures.decisions import Rows
from nas.base.errors import NasError, unknown
from nas.base.seeds import generator
from nas.searching.benchmarks import Benchmark, Contestant, Gains
from nas.searching.objectives import DIRECTIONS, default_objective
from nas.searching.options import checked_options
from nas.searching.predicted import PredictorEvaluator
from nas.searching.problem import SCORED, Objective, Problem, keys
from nas.searching.strategy import open_strategy
from nas.searching.tables import TableEvaluator
from nas.supernet import Space

FORM = "write FILE.csv, FILE.csv:COLUMN, or FILE.csv:COLUMN:min where less is better"

Results = TableEvaluator | PredictorEvaluator


def parse_contestants(texts: Sequence[str]) -> list[Contestant]:
    """Read 'random,aging:population=20:sample=5,optuna:tpe'.

    Raises:
        NasError: an unknown strategy or option, or the same one twice.
    """
    words = [word.strip() for text in texts for word in text.split(",") if word.strip()]
    found = [_contestant(word) for word in words]
    labels = [one.label for one in found]
    repeated = next((label for label in labels if labels.count(label) > 1), None)
    if repeated is not None:
        raise NasError(f"strategy '{repeated}' is given twice; give each once, or with different options")
    if not found:
        raise NasError("no strategy is given; name some with --strategies random,aging; 'nas strategies' lists them")
    return found


def parse_table(text: str) -> tuple[str, str | None, str | None]:
    """(file, column or None, direction or None) of 'FILE.csv:COLUMN:min'. Raises NasError for another form."""
    match = re.fullmatch(r"(.+?\.(?:csv\.gz|csv|safetensors))(?::([^:]+))?(?::([^:]+))?", text.strip())
    if match is None:
        raise NasError(f"table '{text}' is not understood; {FORM}")
    file, column, direction = match.groups()
    if direction is not None and direction not in DIRECTIONS:
        raise unknown("direction", direction, DIRECTIONS, FORM[0].upper() + FORM[1:] + ".")
    return file, column, direction


def open_benchmark(text: str, space: Space, results: Results, bounds: Sequence[Bound] = (), seed: int = 0) -> Benchmark:
    """The benchmark of one column of some results.

    Args:
        text: as given, see `parse_table`.
        results: what is in the file.
        bounds: of what may be proposed.

    Raises:
        NasError: no such column, or a table with too little of the space in it.
    """
    file, column, direction = parse_table(text)
    told = results.metrics[:1] if isinstance(results, PredictorEvaluator) else results.metrics
    column = column or (told[0] if len(told) == 1 else default_objective(told))
    if column not in told:
        raise unknown(f"column of {Path(file).name}", column, told)
    objective = SCORED.get(column, Objective(column))
    if direction is not None:
        objective = replace(objective, direction=DIRECTIONS[direction])
    problem = Problem(space.decisions, bounds, (objective,), None, space.encoding, None if space.separate else space.dimensions)
    name = f"{Path(file).name.partition('.')[0]}:{column}"
    if isinstance(results, PredictorEvaluator):
        return Benchmark(name, problem, partial(_predicted, results, objective.sign))
    results.require_covering(problem, generator(seed, "coverage"))
    rows, figures = results.known(column)
    legal = problem.legal(rows)
    if not legal.any():
        raise NasError(f"no architecture of {Path(file).name} with a figure for '{column}' keeps the targets")
    gains = objective.sign * figures
    known = dict(zip(keys(rows), gains.tolist(), strict=True))
    return Benchmark(name, problem, partial(_looked_up, known), float(gains[legal].max()))


def _contestant(text: str) -> Contestant:
    parts = text.split(":")
    name = ":".join(part for part in parts if "=" not in part)
    options = dict(part.split("=", 1) for part in parts if "=" in part)
    return Contestant(text, name, checked_options(name, open_strategy(name), options))


def _looked_up(known: dict[bytes, float], rows: Rows) -> Gains:
    return np.array([known.get(key, -np.inf) for key in keys(rows)], dtype=np.float64)


def _predicted(results: PredictorEvaluator, sign: float, rows: Rows) -> Gains:
    mean, _ = results.predictor.predict(rows)
    return np.asarray(sign * mean, dtype=np.float64)
