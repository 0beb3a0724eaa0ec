"""Options of strategies: described by their signatures, read from text, refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_search import problem

from nas.base.errors import NasError
from nas.searching import checked_options, describe_strategy, make_strategy, open_strategy, strategy_names
from nas.searching.options import options_of
from nas.searching.strategies.aging import Aging
from nas.searching.strategies.local import Local
from nas.searching.strategies.nsga2 import Nsga2


@pytest.mark.parametrize("name", strategy_names())
def test_every_option_says_what_it_is(name: str) -> None:
    described = describe_strategy(name, open_strategy(name))
    assert described["summary"]
    assert described["source"]
    assert all(figure["meaning"] for figure in described["figures"])
    assert set(open_strategy(name).origins) <= set(options_of(open_strategy(name)))


def test_texts_are_read_as_what_they_stand_for() -> None:
    assert checked_options("aging", Aging, {"population": "30"}) == {"population": 30}
    assert checked_options("local", Local, {"stop_at_minimum": "false"}) == {"stop_at_minimum": False}
    assert checked_options("nsga2", Nsga2, {"mutation": "none"}) == {"mutation": None}
    made: Any = make_strategy("aging", Aging, problem(), 0, {"population": "30"})
    assert (made.population, made.sample) == (30, 10)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("aging", {"popluation": 3}, r"unknown option of strategy 'aging' 'popluation'; legal: population, sample.*mean 'pop"),
        ("aging", {"population": "many"}, r"option 'population' of strategy 'aging' cannot be 'many': .*integer"),
        ("nsga2", {"crossover": 2}, r"option 'crossover' of strategy 'nsga2' cannot be 2: .*less than or equal to 1"),
        ("random", {"batch": 3}, r"strategy 'random' has no options; leave out --strategy-set batch"),
    ],
)
def test_what_is_no_option_is_explained(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(NasError, match=message):
        checked_options(name, open_strategy(name), given)


def test_variants_are_listed_in_errors() -> None:
    with pytest.raises(NasError, match=r"unknown strategy 'optuna:bayes'; legal: optuna:brute-force.*optuna:tpe"):
        open_strategy("optuna:bayes")
    with pytest.raises(NasError, match=r"unknown strategy 'aging:fast'"):
        open_strategy("aging:fast")
