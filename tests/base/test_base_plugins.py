"""Entry points: what is installed is found by name, and everything that can be wrong with one is explained."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from nas.base import plugins
from nas.base.errors import NasError
from nas.searching import Strategy, open_strategy
from nas.training import Trainer, open_trainer

GOOD = EntryPoint("good", "collections:OrderedDict", "nas.strategies")


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Pretend that packages declare these entry points, and no others."""

    def pretend(*points: EntryPoint) -> None:
        monkeypatch.setattr(plugins, "entry_points", lambda group: [p for p in points if p.group == group])
        plugins.installed.cache_clear()

    yield pretend
    plugins.installed.cache_clear()


def test_somebody_else_s_entry_point_is_loaded_by_name(declare: Any) -> None:
    declare(GOOD)
    assert plugins.load("strategies", "good", "strategy").__name__ == "OrderedDict"


def test_names_are_listed_in_alphabetical_order(declare: Any) -> None:
    declare(*(EntryPoint(name, "math:pi", "nas.strategies") for name in ("b", "c", "a")))
    assert list(plugins.installed("strategies")) == ["a", "b", "c"]


def test_kinds_do_not_mix(declare: Any) -> None:
    declare(GOOD)
    assert not plugins.installed("trainers")


def test_an_unknown_name_lists_and_suggests(declare: Any) -> None:
    declare(GOOD, EntryPoint("other", "math:pi", "nas.strategies"))
    expected = r"unknown strategy 'godo'; legal: good, other\. Did you mean 'good'\? 'nas strategies' lists"
    with pytest.raises(NasError, match=expected):
        plugins.load("strategies", "godo", "strategy")


def test_a_name_that_two_packages_declare_is_an_error_that_names_both(declare: Any) -> None:
    declare(GOOD, EntryPoint("good", "elsewhere:Thing", "nas.strategies"))
    with pytest.raises(NasError, match=r"two packages declare.*'good': collections:OrderedDict and elsewhere:Thing"):
        plugins.installed("strategies")


def test_the_same_declaration_found_twice_is_one(declare: Any) -> None:
    declare(GOOD, GOOD)
    assert list(plugins.installed("strategies")) == ["good"]


@pytest.mark.parametrize("value", ["no_such_module_anywhere:Thing", "collections:NoSuchThing"])
def test_an_entry_point_that_leads_nowhere_is_explained(declare: Any, value: str) -> None:
    declare(EntryPoint("broken", value, "nas.strategies"))
    with pytest.raises(NasError, match=rf"strategy 'broken' \({value}\) cannot be imported"):
        plugins.load("strategies", "broken", "strategy")


@pytest.mark.parametrize("value", ["math:pi", "collections:OrderedDict"])
def test_an_entry_point_of_the_wrong_kind_is_explained(declare: Any, value: str) -> None:
    declare(EntryPoint("wrong", value, "nas.strategies"), EntryPoint("wrong", value, "nas.trainers"))
    with pytest.raises(NasError, match=r"'wrong' must be a subclass of nas\.searching\.Strategy"):
        open_strategy("wrong")
    with pytest.raises(NasError, match=r"'wrong' must be a subclass of nas\.training\.Trainer"):
        open_trainer("wrong")


def test_the_built_in_ones_are_declared_like_anybody_s() -> None:
    assert {"evolution", "random"} <= set(plugins.installed("strategies"))
    for name in plugins.installed("strategies"):
        assert issubclass(open_strategy(name), Strategy)
    for name in plugins.installed("trainers"):
        assert isinstance(open_trainer(name), Trainer)
