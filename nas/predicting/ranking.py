"""What each unit of an architecture may be, the best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.base.progress import Reporter, Silent
from nas.choices import Option
from nas.predicting.importance import average_predictions
from nas.predicting.modules import Module, ModulePredictor
from nas.predicting.predictor import Predictor


@dataclass(frozen=True)
class UnitRanking:
    """The modules of one unit.

    Attributes:
        columns: of its decisions.
        by: 'modules' where the predictor scores modules itself, 'average prediction' where modules are ranked by that.
        modules: best first, that is with the largest score first.
        codes: (K, C) their options, idle decisions at 0.
    """

    name: str
    columns: tuple[int, ...]
    by: Literal["modules", "average prediction"]
    modules: tuple[Module, ...]
    codes: Rows

    @property
    def spread(self) -> float:
        """Standard deviation of the scores: how much it matters what the unit is."""
        return float(np.std([module.score for module in self.modules]))


def rank_units(predictor: Predictor, decisions: Decisions, rows: Rows, reporter: Reporter | None = None) -> list[UnitRanking]:
    """The units of a space as a fitted predictor sees them, in the order of the network.

    Units are those of a `ModulePredictor`; for another predictor every decision is one. A unit that never has more than one
    layer has no modules to speak of: the score of a layer by itself knows nothing of its place. Its options are ranked by the
    average prediction of the evaluated architectures with each of them, as are the decisions of other predictors.

    Args:
        decisions: of the space that was searched; modules outside of it are left out.
        rows: (N, D) evaluated, canonical.
    """
    units: Mapping[str, tuple[int, ...]]
    if isinstance(predictor, ModulePredictor):
        units = predictor.unit_columns()
    else:
        units = {name: (column,) for column, name in enumerate(decisions.names)}
    reporter = reporter or Silent()
    reporter.start("ranking modules", len(units))
    found = []
    try:
        for done, (name, columns) in enumerate(units.items(), 1):
            modules: Sequence[Module] = ()
            if isinstance(predictor, ModulePredictor):
                modules = predictor.module_scores(name, among=rows)
            if any(module.layers > 1 for module in modules):
                found.append(_inside(decisions, name, columns, modules))
            else:
                found.append(_averaged(predictor, decisions, rows, name, columns, modules))
            reporter.advance(done, name)
    finally:
        reporter.finish()
    return [unit for unit in found if unit.modules]


def _inside(decisions: Decisions, name: str, columns: tuple[int, ...], modules: Sequence[Module]) -> UnitRanking:
    """The scored modules that the space has."""
    codes = np.array([_codes(decisions, columns, module.decisions) for module in modules], dtype=np.uint8)
    kept = _legal(decisions, columns, codes)
    return UnitRanking(name, columns, "modules", tuple(modules[place] for place in kept), codes[kept])


def _averaged(
    predictor: Predictor, decisions: Decisions, rows: Rows, name: str, columns: tuple[int, ...], modules: Sequence[Module]
) -> UnitRanking:
    """The options of a unit by what is predicted for architectures that have them."""
    matter = decisions.active(rows)[:, columns].any(axis=1)
    if modules:
        codes = np.array([_codes(decisions, columns, module.decisions) for module in modules], dtype=np.uint8)
    else:
        codes = np.arange(decisions.cardinalities[columns[0]], dtype=np.uint8)[:, None]
    codes = codes[_legal(decisions, columns, codes)]
    seen = rows[matter] if matter.any() else rows
    scores = average_predictions(predictor, decisions, seen, columns, codes)
    order = np.argsort(-scores, kind="stable")
    ranked = tuple(Module(name, 1, _options(decisions, columns, codes[place]), float(scores[place])) for place in order)
    return UnitRanking(name, columns, "average prediction", ranked, codes[order])


def _codes(decisions: Decisions, columns: tuple[int, ...], options: Mapping[str, Option]) -> list[int]:
    choices = [decisions.choices[column] for column in columns]
    return [choice.index(options[choice.name]) if choice.name in options else 0 for choice in choices]


def _options(decisions: Decisions, columns: tuple[int, ...], codes: np.ndarray) -> dict[str, Option]:
    choices = [decisions.choices[column] for column in columns]
    return {choice.name: choice.options[code] for choice, code in zip(choices, codes.tolist(), strict=True)}


def _legal(decisions: Decisions, columns: tuple[int, ...], codes: Rows) -> list[int]:
    """Which joint options some architecture has whose other decisions are those of the largest one."""
    rows = np.repeat(decisions.largest(), len(codes), axis=0)
    rows[:, columns] = codes
    return np.flatnonzero(decisions.contains(decisions.canonical(np.asfortranarray(rows)))).tolist()
