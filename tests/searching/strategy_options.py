"""Every installed strategy, with options for short searches."""

from __future__ import annotations

import importlib.util
from typing import Any

from nas.searching import strategy_names

SMALL: dict[str, dict[str, Any]] = {
    "aging": {"population": 6, "sample": 3},
    "bananas": {"beginnings": 6, "batch": 4, "settings": "epochs=3,folds=2,layers=2"},
    "coarse-to-fine": {"skeletons": 6, "best": 2},
    "early-exit": {"population": 8, "survivors": 0.4},
    "evolution": {"population": 8, "parents": 3},
    "hyperband": {"maximum": 9},
    "linas": {"population": 7, "inner": 42, "settings": "largest=2"},
    "local": {"beginnings": 3},
    "npenas": {"beginnings": 6, "batch": 4, "settings": "epochs=3,held_out=0"},
    "nsga2": {"population": 8},
    "nsga3": {"population": 8, "partitions": 4},
    "optuna": {"startup": 4},
    "optuna:cmaes": {"startup": 2},
    "optuna:gp": {"startup": 4},
    "optuna:nsga2": {"population": 6},
    "optuna:nsga3": {"population": 6},
    "optuna:tpe": {"startup": 4},
    "predictor": {"beginnings": 6, "batch": 4},
}
"""Options with which a short search passes through every phase of a strategy."""

SLOW = "optuna:gp"
"""Thinks for a second about each architecture."""


def names() -> list[str]:
    """Every strategy that searches any decisions, where its package is there."""
    found = [name for name in strategy_names() if name not in ("deepmad", "derived")]
    return [name for name in found if name != "optuna:cmaes" or importlib.util.find_spec("cmaes")]


FAST = [name for name in names() if name != SLOW]
