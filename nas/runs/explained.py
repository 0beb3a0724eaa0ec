"""What mattered in a search: the importance of decisions and the worth of modules, kept in the run's folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nas.architectures import Decisions, groupable
from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.files import read_json, write_json
from nas.base.progress import Reporter, Silent
from nas.base.seeds import generator
from nas.data.tasks import HEADLINES
from nas.predicting import Predictor, cross_validated, make_predictor
from nas.predicting.fanova import LEAST, fanova
from nas.predicting.importance import permutation_importance
from nas.predicting.modules import Module, ModulePredictor
from nas.predicting.quality import Numbers
from nas.predicting.ranking import UnitRanking, rank_units
from nas.runs.config import RunConfig
from nas.runs.evaluations import complete_trials, digest_of, distinct
from nas.runs.folder import RunFolder
from nas.runs.manifest import read_manifest
from nas.runs.searched import space_in_force
from nas.searching import Trial, parse_reward
from nas.searching.problem import SCORED
from nas.supernet import Space

FORMAT = 1
MODULES, DECISIONS = "autobuild", "gp"
"""The predictor by default: where units have several decisions, and where each is one, of which modules say nothing new."""

FOLDS = 3
"""Parts of the cross-validation: AutoBuild takes a minute or two for each."""

LOW = 0.3
"""Below this Kendall tau a predictor is little better than chance, and so is what it says of decisions and modules."""

KEPT = 256
"""Modules of a unit that are written down: as many as a reduced space may keep."""


def explain_run(
    path: Path,
    predictor: str | None = None,
    metric: str | None = None,
    settings: Mapping[str, Any] | None = None,
    folds: int = FOLDS,
    seed: int = 0,
    space: Space | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Explain a search from its evaluations, and keep the explanation in the run's folder; see `nas.jobs.explain`."""
    reporter = reporter or Silent()
    folder = RunFolder(path)
    manifest = read_manifest(path)
    searched = space_in_force(manifest, space)
    _require_places(searched)
    predictor = predictor or _default(searched)
    make = _maker(searched, predictor, settings, seed)
    with _still(folder):
        trials = complete_trials(folder, searched)
    name, sign = _metric(manifest.config, trials, metric)
    rows, values = distinct(trials, name)
    _require_enough(path, rows, values, name)
    worth = sign * values
    decisions = searched.decisions
    grown = np.zeros(len(decisions))

    def watch(fitted: Predictor, held: np.ndarray) -> None:
        rng = generator(seed, "permutation importance", int(held.argmax()))
        grown[:] += permutation_importance(fitted, decisions, rows[held], worth[held], rng) * held.sum()

    quality = cross_validated(make, rows, worth, folds, seed, reporter, watch)
    shares = fanova(decisions, rows, worth, seed, reporter)
    reporter.say(f"fitting {predictor} to all {len(rows)} evaluations")
    fitted = make()
    fitted.fit(rows, worth)
    units = rank_units(fitted, decisions, rows, reporter)
    found = {
        "format": FORMAT,
        "space": searched.name,
        "metric": name,
        "direction": "maximize" if sign > 0 else "minimize",
        "predictor": predictor,
        "source": fitted.source,
        "options": {option: getattr(fitted, option) for option in fitted.options()},
        "seed": seed,
        "evaluations": len(rows),
        "digest": digest_of(rows, values),
        "folds": folds,
        "quality": quality.to_json(),
        "warning": _warning(predictor, quality.kendall_tau),
        "decisions": _decisions(decisions, shares, grown / len(rows)),
        "kinds": fitted.option_scores() if isinstance(fitted, ModulePredictor) else None,
        "units": [_unit(unit, decisions, sign) for unit in units],
    }
    # A folder that cannot be written explains itself anew next time.
    with contextlib.suppress(NasError):
        write_json(folder.explanation, found)
    return found


def explanation_of(path: Path, space: Space | None = None, reporter: Reporter | None = None) -> dict[str, Any]:
    """The explanation in a run's folder while it holds for all of the run's evaluations; else one with the defaults."""
    folder = RunFolder(path)
    searched = space_in_force(read_manifest(path), space)
    if folder.explanation.exists():
        found = read_json(folder.explanation, "explanation")
        with _still(folder):
            trials = complete_trials(folder, searched)
        known = isinstance(found, dict) and found.get("format") == FORMAT
        if known and found["digest"] == digest_of(*distinct(trials, found["metric"])):
            return dict(found)
    (reporter or Silent()).say(f"{path} is not explained yet: 'nas explain {path}' shows what is worked out now")
    return explain_run(path, space=space, reporter=reporter)


@contextlib.contextmanager
def _still(folder: RunFolder) -> Iterator[None]:
    """While evaluations are read: nothing may write them. A complete run needs no lock, and may lie where none can be made."""
    with contextlib.nullcontext() if folder.results.exists() else folder.locked():
        yield


def _require_places(space: Space) -> None:
    if not groupable(space.decisions):
        raise NasError(
            f"the architectures of space '{space.name}' are derived from a grammar: no decision has a place of its own, so "
            "that none of them, nor a module, can be said to matter"
        )


def _default(space: Space) -> str:
    found = make_predictor(MODULES, space.encoding)
    several = isinstance(found, ModulePredictor) and any(len(columns) > 1 for columns in found.unit_columns().values())
    return MODULES if several else DECISIONS


def _maker(space: Space, predictor: str, settings: Mapping[str, Any] | None, seed: int) -> Any:
    def make() -> Predictor:
        return make_predictor(predictor, space.encoding, seed, settings)

    make()  # so that a mistake is told before anything is read
    return make


def _metric(config: RunConfig, trials: list[Trial], asked: str | None) -> tuple[str, float]:
    """What is explained, and what makes it larger where it is better: what the run searched for unless something is asked."""
    objectives = dict(text.partition(":")[::2] for text in config.objectives)
    reward = [] if config.reward is None else [parse_reward(config.reward)[0]]
    known = trials[0].metrics
    name = asked or next((one for one in [*reward, *objectives, *HEADLINES] if one in known), next(iter(known)))
    word = objectives.get(name)
    by_name = SCORED[name].sign if name in SCORED else 1.0
    return name, {"max": 1.0, "min": -1.0}.get(word or "", by_name)


def _require_enough(path: Path, rows: Rows, values: Numbers, metric: str) -> None:
    if len(rows) < LEAST:
        raise NasError(
            f"run {path} has evaluated {len(rows)} architectures; an explanation needs at least {LEAST}, better some hundred: "
            f"go on with 'nas resume {path}', or search with more --evaluations"
        )
    if not values.var():
        raise NasError(f"all {len(rows)} evaluations of run {path} have {metric} {values[0]:g}: there is nothing to explain")


def _warning(predictor: str, tau: float) -> str | None:
    if tau >= LOW:
        return None
    return (
        f"'{predictor}' orders architectures that it has not seen with a Kendall tau of {tau:.2f}, below {LOW}: its "
        "importances and modules mean little here. Evaluate more architectures, or explain with another predictor"
    )


def _decisions(decisions: Decisions, shares: Mapping[str, Any], permutation: Numbers) -> list[dict[str, Any]]:
    """Every decision, the one that explains most first."""
    found = [
        {
            "name": choice.name,
            "options": list(choice.options),
            "evaluations": shares[choice.name].evaluations,
            "fanova": shares[choice.name].overall,
            "fanova_where_active": shares[choice.name].there,
            "permutation": float(permutation[column]),
        }
        for column, choice in enumerate(decisions.choices)
    ]
    return sorted(found, key=lambda one: -1.0 if one["fanova"] is None else one["fanova"], reverse=True)


def _unit(unit: UnitRanking, decisions: Decisions, sign: float) -> dict[str, Any]:
    scores = [sign * module.score for module in unit.modules]
    return {
        "name": unit.name,
        "decisions": [decisions.names[column] for column in unit.columns],
        "by": unit.by,
        "count": len(unit.modules),
        "spread": unit.spread,
        "quartiles": np.quantile(scores, [0.0, 0.25, 0.5, 0.75, 1.0]).tolist(),
        "modules": [_module(module, sign) for module in unit.modules[:KEPT]],
    }


def _module(module: Module, sign: float) -> dict[str, Any]:
    return {"layers": module.layers, "decisions": dict(module.decisions), "score": sign * module.score}
