"""Identity, rows, sampling and variation on random spaces in which depth and operators switch decisions off."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.architectures import Architecture, Decisions, SearchSpace
from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.choices import Choice, Value, all_of, evaluate
from nas.searching.strategies.one_change import change_one


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Stages of elastic depth; each block has a kernel, and perhaps an operator on which a ratio depends."""
    choices = [Choice("width", tuple(range(8, 8 + draw(st.integers(1, 2)))))]
    conditions: dict[str, Value] = {}
    for stage in range(draw(st.integers(1, 2))):
        depths = sorted(draw(st.sets(st.integers(0, 2), min_size=1)))
        depth = Choice(f"stage{stage}.depth", tuple(depths))
        choices.append(depth)
        for block in range(max(depths)):
            name = f"stage{stage}.block{block}"
            used = depth > block
            choices.append(Choice(f"{name}.kernel", (3, 5)[: draw(st.integers(1, 2))]))
            conditions[choices[-1].name] = used
            if block == 0 and draw(st.booleans()):
                operator = Choice(f"{name}.operator", ("pool", "conv"))
                ratio = Choice(f"{name}.ratio", (0.25, 0.5))
                choices += [operator, ratio]
                conditions |= {operator.name: used, ratio.name: all_of([used, operator.equals("conv")])}
    return SearchSpace("random", Decisions(choices, conditions))


def every_row(space: SearchSpace) -> np.ndarray:
    """All joint options, whether they matter or not."""
    return np.array(list(itertools.product(*(range(len(c.options)) for c in space.decisions.choices))))


def meaning(space: SearchSpace, row: Any) -> tuple[tuple[str, Any], ...]:
    """What a row says, decision by decision, without what does not matter: the slow, obvious way."""
    codes: dict[str, int] = {}
    said = []
    for choice, code in zip(space.decisions.choices, row, strict=True):
        matters = evaluate(space.decisions.conditions.get(choice.name, True), codes)
        codes[choice.name] = int(code) if matters else 0
        if matters:
            said.append((choice.name, choice.options[int(code)]))
    return tuple(said)


def row_pairs() -> st.SearchStrategy[tuple[SearchSpace, np.ndarray, int]]:
    seeds = st.integers(0, 2**32 - 1)
    return st.tuples(spaces(), seeds).map(
        lambda drawn: (drawn[0], np.random.default_rng(drawn[1]).permutation(every_row(drawn[0]))[:25], drawn[1])
    )


@given(row_pairs())
def test_canonical_rows_are_the_identity(drawn: tuple[SearchSpace, np.ndarray, int]) -> None:
    space, rows, _ = drawn
    canonical = space.decisions.check(rows)
    assert (space.decisions.canonical(canonical) == canonical).all()
    architectures = space.decode(rows)
    meanings = [meaning(space, row) for row in rows]
    assert [tuple(architecture.items()) for architecture in architectures] == meanings
    for (i, first), (j, second) in itertools.combinations(enumerate(architectures), 2):
        same = meanings[i] == meanings[j]
        assert (first == second) is same
        assert (canonical[i] == canonical[j]).all() == same
        assert not same or hash(first) == hash(second)


@settings(max_examples=50)
@given(row_pairs())
def test_codes_and_text_return_what_went_in(drawn: tuple[SearchSpace, np.ndarray, int]) -> None:
    space, rows, _ = drawn
    canonical = space.decisions.check(rows)
    architectures = space.decode(rows)
    assert (space.encode(architectures) == canonical).all()
    encoded = space.one_hot(architectures)
    assert space.from_one_hot(encoded) == architectures
    assert (encoded.sum(axis=1) == [len(architecture) for architecture in architectures]).all()
    for architecture in architectures:
        assert space.validate(architecture) == architecture
        assert space.validate(json.loads(json.dumps(architecture.to_json()))) == architecture
        assert space.validate(str(architecture)) == architecture
        assert space.validate(dict(architecture)) == architecture


@settings(max_examples=40)
@given(spaces())
def test_size_counts_every_architecture_once(space: SearchSpace) -> None:
    rows = every_row(space)
    assert space.size == len({meaning(space, row) for row in rows}) == len(np.unique(space.decisions.check(rows), axis=0))


@settings(max_examples=50)
@given(row_pairs())
def test_variation_stays_in_the_space(drawn: tuple[SearchSpace, np.ndarray, int]) -> None:
    space, rows, seed = drawn
    rng = np.random.default_rng(seed)
    parents = space.decisions.check(rows)
    others = parents[rng.permutation(len(parents))]
    for children in (
        space.decisions.mutate(parents, rng, 0.5),
        space.decisions.crossover(parents, others, rng),
        space.decisions.sample(rng, 20),
    ):
        assert (space.decisions.check(children) == children).all()
        for child in space.decode(children):
            assert space.validate(child) == child


@settings(max_examples=50)
@given(row_pairs())
def test_a_neighbour_differs_in_one_decision(drawn: tuple[SearchSpace, np.ndarray, int]) -> None:
    space, rows, _ = drawn
    for architecture in space.decode(rows[:5]):
        neighbours = space.neighbours(architecture)
        assert len(set(neighbours)) == len(neighbours)
        assert set(neighbours) == obvious_neighbours(space, architecture)
        for other in neighbours:
            shared = set(architecture) & set(other)
            assert sum(architecture[name] != other[name] for name in shared) == 1


def obvious_neighbours(space: SearchSpace, architecture: Architecture) -> set[Architecture]:
    """Change each decision that matters to each other option; what that brings into play takes its first option."""
    first = {choice.name: choice.options[0] for choice in space.decisions.choices}
    found = set()
    for choice in space.decisions.choices:
        for option in choice.options:
            if choice.name in architecture and option != architecture[choice.name]:
                found.add(space.validate({**first, **architecture, choice.name: option}))
    return found


def test_mutation_and_crossover_follow_their_definition() -> None:
    space = SearchSpace("wide", Decisions([Choice(f"c{i}", (0, 1, 2, 3)) for i in range(50)]))
    rng = np.random.default_rng(0)
    first, second = space.decisions.sample(rng, 400), space.decisions.sample(rng, 400)
    assert (space.decisions.mutate(first, rng, 0.0) == first).all()
    drawn = (space.decisions.mutate(first, rng, 0.2) != first).mean()
    assert 0.13 < drawn < 0.17, "a fifth is drawn anew, of which a quarter stays"
    children = space.decisions.crossover(first, second, rng)
    assert ((children == first) | (children == second)).all()
    differ = first != second
    assert 0.45 < (children == first)[differ].mean() < 0.55


def test_samples_are_uniform_over_options() -> None:
    decisions = Decisions([Choice("a", (1, 2, 3)), Choice("b", (1, 2))])
    rows = decisions.sample(np.random.default_rng(0), 12_000)
    for column, cardinality in enumerate((3, 2)):
        share = np.bincount(rows[:, column], minlength=cardinality) / len(rows)
        assert np.abs(share - 1 / cardinality).max() < 0.02


@given(spaces(), st.integers(0, 1000))
def test_the_same_seed_gives_the_same_architectures(space: SearchSpace, seed: int) -> None:
    once, again = (space.sample(np.random.default_rng(seed), 8) for _ in range(2))
    assert once == again


@pytest.fixture
def stage() -> SearchSpace:
    depth, kernels = Choice("depth", (1, 2)), [Choice(f"kernel{i}", (3, 5, 7)) for i in range(2)]
    return SearchSpace("stage", Decisions([depth, *kernels], {"kernel1": depth > 1}), {"tiny": {"depth": 1, "kernel0": 3}})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"depth": 3, "kernel0": 3}, ["'depth'", "cannot be 3", "1, 2"]),
        ({"depth": 2, "kernel0": 3, "kernel1": "5"}, ["'kernel1'", "3, 5, 7"]),
        ({"depth": 2, "kernel0": 3}, ["'kernel1' is missing", "3, 5, 7"]),
        ({"depth": 1, "kernal0": 3}, ["'kernal0'", "depth, kernel0, kernel1", "Did you mean 'kernel0'?"]),
        ({"space": "other", "decisions": {"depth": 1}}, ["'other'", "'stage'"]),
        ("{not json", ["not an architecture in JSON"]),
        ('{"decisions": 4}', ["an architecture is written"]),
        ('{"decisions": {"depth": [1]}}', ["'depth'", "[1]"]),
    ],
)
def test_validate_names_what_is_wrong(stage: SearchSpace, given: Mapping[str, Any] | str, words: list[str]) -> None:
    with pytest.raises(NasError) as caught:
        stage.validate(given)
    for word in words:
        assert word in str(caught.value)


def test_what_does_not_matter_may_be_given_and_is_dropped(stage: SearchSpace) -> None:
    given = stage.validate({"depth": 1, "kernel0": 5, "kernel1": 7})
    assert given == stage.validate({"depth": 1, "kernel0": 5})
    assert dict(given) == {"depth": 1, "kernel0": 5}


@pytest.mark.parametrize(
    ("rows", "word"),
    [([[0, 3, 0]], "'kernel0'"), ([[-1, 0, 0]], "'depth'"), ([[0, 0]], r"\(N, 3\)"), ([[0.0, 0.0, 0.0]], "integers")],
)
def test_illegal_rows_are_refused(stage: SearchSpace, rows: list[list[float]], word: str) -> None:
    with pytest.raises(NasError, match=word):
        stage.decode(np.array(rows))


def test_an_architecture_cannot_be_changed(stage: SearchSpace) -> None:
    architecture = stage.smallest
    with pytest.raises(AttributeError):
        architecture.space = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        architecture["depth"] = 2  # type: ignore[index]


def test_smallest_largest_and_known(stage: SearchSpace) -> None:
    assert dict(stage.smallest) == {"depth": 1, "kernel0": 3}
    assert dict(stage.largest) == {"depth": 2, "kernel0": 7, "kernel1": 7}
    assert stage.known["tiny"] == stage.smallest
    with pytest.raises(NasError, match=r"'tin'.*Did you mean 'tiny'"):
        stage.known["tin"]


def test_a_wrong_published_architecture_is_an_error() -> None:
    space = SearchSpace("s", Decisions([Choice("a", (1, 2))]), {"wrong": {"a": 3}})
    with pytest.raises(NasError, match="'a' cannot be 3"):
        _ = space.known


def test_impossible_decisions_are_refused() -> None:
    kernel, depth = Choice("kernel", (3, 5)), Choice("depth", (1, 2))
    with pytest.raises(NasError, match="at least one"):
        Decisions([])
    with pytest.raises(NasError, match="used twice: kernel"):
        Decisions([kernel, kernel])
    with pytest.raises(NasError, match=r"'kernel' depends on depth"):
        Decisions([kernel, depth], {"kernel": depth > 1})


def test_the_once_for_all_space_has_its_published_size() -> None:
    choices: list[Choice] = []
    conditions: dict[str, Value] = {}
    for stage in range(5):
        depth = Choice(f"depth{stage}", (2, 3, 4))
        choices.append(depth)
        for block in range(4):
            for name, options in (("kernel", (3, 5, 7)), ("expand", (3, 4, 6))):
                choices.append(Choice(f"{name}{stage}.{block}", options))
                conditions[choices[-1].name] = depth > block
    size = Decisions(choices, conditions).size
    assert size == (9**2 + 9**3 + 9**4) ** 5
    assert f"{size:.2e}" == "2.18e+19"


def shaped(rows: Rows) -> bool:
    return rows.dtype == np.uint8 and rows.flags.f_contiguous


@given(spaces())
def test_rows_are_stored_by_column(space: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    rows = space.decisions.sample(rng, 6)
    for made in (
        rows,
        space.decisions.mutate(rows, rng),
        space.decisions.crossover(rows, rows, rng),
        space.decisions.neighbours(rows[0]),
        space.decisions.check(rows.tolist()),
    ):
        assert shaped(made)


def test_a_hand_made_architecture_is_not_trusted(stage: SearchSpace) -> None:
    with pytest.raises(NasError, match="'kernel0' is missing"):
        stage.encode([Architecture("stage", (("depth", 1),))])
    with pytest.raises(NasError, match="'kernal0'"):
        stage.encode([Architecture("stage", (("depth", 1), ("kernal0", 3)))])


def staged() -> Decisions:
    """Four stages of one to four blocks, each with one of three kernels."""
    choices: list[Choice] = []
    conditions: dict[str, Value] = {}
    for stage in range(4):
        depth = Choice(f"stage{stage}.depth", (1, 2, 3, 4))
        choices.append(depth)
        for block in range(4):
            choices.append(Choice(f"stage{stage}.block{block}.kernel", (3, 5, 7)))
            conditions[choices[-1].name] = depth > block
    return Decisions(choices, conditions)


def mixed(rows: Rows, rng: np.random.Generator) -> Rows:
    return staged().crossover(rows, np.asfortranarray(rows[rng.permutation(len(rows))]), rng)


def changed(rows: Rows, rng: np.random.Generator) -> Rows:
    made = [change_one(staged(), row, rng.random(), rng.random(), lambda: rng)[0] for row in rows]
    return np.asfortranarray(made)


@pytest.mark.parametrize("operator", [mixed, changed, lambda rows, rng: staged().mutate(rows, rng, 0.2)])
def test_without_selection_variation_leaves_the_layers_that_matter_uniform(
    operator: Callable[[Rows, np.random.Generator], Rows],
) -> None:
    """A layer that a child has and its parent had not would else always have its first option."""
    rng, decisions = np.random.default_rng(0), staged()
    kernels = [column for column, name in enumerate(decisions.names) if name.endswith("kernel")]
    rows = decisions.sample(rng, 1500)
    for _ in range(6):
        rows = operator(rows, rng)
    codes = rows[:, kernels][decisions.active(rows)[:, kernels]]
    shares = np.bincount(codes, minlength=3) / len(codes)
    np.testing.assert_allclose(shares, 1 / 3, atol=0.02)


def test_a_decision_that_matters_in_one_parent_comes_from_it() -> None:
    decisions, rng = staged(), np.random.default_rng(1)
    shallow = decisions.largest()
    shallow[:, [decisions.column[f"stage{stage}.depth"] for stage in range(4)]] = 0
    shallow, deep = decisions.canonical(shallow), decisions.largest()
    for _ in range(50):
        child = decisions.crossover(shallow, deep, rng)
        assert (child[decisions.active(child)] >= 2)[np.flatnonzero(decisions.active(child)[0]) % 5 > 0].all()
