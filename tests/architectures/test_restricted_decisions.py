"""A space restricted to some joint options of its decisions is closed, and its parts are exchanged whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from nas.architectures import Decisions, Group, Restricted, SearchSpace
from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.choices import Choice

Make = Callable[[], Restricted]


def staged() -> Decisions:
    """A size for all, and two stages of one or two blocks; the second block's kernel matters at depth 2 alone."""
    choices, conditions = [Choice("size", (8, 16, 24))], {}
    for stage in ("one", "two"):
        depth = Choice(f"{stage}.depth", (1, 2))
        choices += [depth, Choice(f"{stage}.block1.kernel", (3, 5, 7)), Choice(f"{stage}.block2.kernel", (3, 5, 7))]
        conditions[f"{stage}.block2.kernel"] = depth > 1
    return Decisions(choices, conditions)


def of_stages() -> Restricted:
    """Three modules of the first stage, one of which is shallow, and two of the second."""
    first = np.array([[0, 1, 0], [1, 0, 2], [1, 2, 2]])
    return Restricted(staged(), [Group("one", (1, 2, 3), first), Group("two", (4, 5, 6), np.array([[0, 0, 0], [1, 1, 1]]))])


def of_layers() -> Restricted:
    """A depth that is free, and layers of two decisions that matter from some depth on."""
    depth = Choice("depth", (1, 2, 3))
    layers = [Choice(f"layer{n}.{part}", (1, 2, 3)) for n in (1, 2, 3) for part in ("heads", "ratio")]
    conditions = {f"layer{n}.{part}": depth > n - 1 for n in (2, 3) for part in ("heads", "ratio")}
    codes = np.array([[0, 1], [2, 0]])
    groups = [Group(f"layer{n}", (2 * n - 1, 2 * n), codes) for n in (1, 2, 3)]
    return Restricted(Decisions([depth, *layers], conditions), groups)


def across() -> Restricted:
    """A group that decides whether a decision of another one matters."""
    switch, other = Choice("a.switch", (0, 1)), Choice("b.x", (0, 1, 2))
    last = Choice("b.y", (0, 1, 2))
    whole = Decisions([switch, other, last], {"b.y": switch > 0})
    return Restricted(whole, [Group("a", (0,), np.array([[0], [1]])), Group("b", (1, 2), np.array([[0, 1], [0, 2], [2, 1]]))])


def renamed() -> Restricted:
    """Two nodes that may be numbered either way."""

    def ordered(rows: Rows) -> Rows:
        return np.asfortranarray(np.sort(rows, axis=1))

    whole = Decisions([Choice("first", (0, 1, 2, 3)), Choice("second", (0, 1, 2, 3))], None, ordered)
    return Restricted(whole, [Group("first", (0,), np.array([[1], [3]])), Group("second", (1,), np.array([[0], [2]]))])


MADE = [of_stages, of_layers, across, renamed]


def everything(restricted: Restricted) -> Rows:
    """Every architecture inside, from the definition: all combinations of kept joint options and free options."""
    grouped = {column for group in restricted.groups for column in group.columns}
    free = [[(column, code) for code in range(restricted.cardinalities[column])] for column in range(len(restricted))]
    axes = [axis for column, axis in enumerate(free) if column not in grouped]
    rows = []
    for joint in itertools.product(*(group.codes for group in restricted.groups)):
        for single in itertools.product(*axes):
            row = np.zeros(len(restricted), dtype=np.uint8)
            for group, codes in zip(restricted.groups, joint, strict=True):
                row[list(group.columns)] = codes
            for column, code in single:
                row[column] = code
            rows.append(row)
    return np.unique(restricted.whole.canonical(np.asfortranarray(rows)), axis=0)


@pytest.mark.parametrize("make", MADE)
def test_sampling_mutation_crossover_neighbours_and_moves_stay_inside(make: Make) -> None:
    restricted, rng = make(), np.random.default_rng(0)
    inside = {row.tobytes() for row in np.ascontiguousarray(everything(restricted))}
    assert restricted.size == len(inside)
    first, second = restricted.sample(rng, 200), restricted.sample(rng, 200)
    results = [first, restricted.smallest(), restricted.largest(), restricted.crossover(first, second, rng)]
    results += [restricted.mutate(first, rng, probability) for probability in (0.1, 0.5, 1.0)]
    results += [restricted.neighbours(row) for row in first[:20]]
    results += [move(first) for move in restricted.moves(rng)]
    for rows in results:
        assert {row.tobytes() for row in np.ascontiguousarray(rows)} <= inside
        np.testing.assert_array_equal(restricted.whole.canonical(rows), rows)
    assert {row.tobytes() for row in np.ascontiguousarray(restricted.sample(rng, 2000))} == inside


@pytest.mark.parametrize("make", MADE)
def test_rows_of_groups_and_rows_of_decisions_are_the_same_architectures(make: Make) -> None:
    restricted = make()
    units = restricted.units.sample(np.random.default_rng(1), 300)
    rows = restricted.expand(units)
    np.testing.assert_array_equal(restricted.contract(rows), units)
    assert len(np.unique(units, axis=0)) == len(np.unique(rows, axis=0)) == restricted.size
    whole = restricted.whole.sample(np.random.default_rng(2), 300)
    known = {row.tobytes() for row in np.ascontiguousarray(everything(restricted))}
    expected = [row.tobytes() in known for row in np.ascontiguousarray(whole)]
    assert restricted.contains(whole).tolist() == expected


def test_a_mutation_exchanges_whole_modules() -> None:
    restricted, rng = of_stages(), np.random.default_rng(3)
    kept = [{tuple(codes) for codes in group.codes.tolist()} for group in restricted.groups]
    parents = restricted.sample(rng, 400)
    mutants = restricted.mutate(parents, rng, 0.3)
    changed = np.zeros(2, dtype=int)
    for parent, mutant in zip(parents, mutants, strict=True):
        for place, group in enumerate(restricted.groups):
            part = tuple(mutant[list(group.columns)].tolist())
            assert part in kept[place]
            changed[place] += part != tuple(parent[list(group.columns)].tolist())
    # A module is drawn anew three times in ten, and one of three (of two) is the old one then.
    assert changed[0] == pytest.approx(400 * 0.3 * 2 / 3, abs=30)
    assert changed[1] == pytest.approx(400 * 0.3 * 1 / 2, abs=30)


def test_neighbours_differ_in_one_group_or_one_free_decision() -> None:
    restricted = of_stages()
    row = restricted.sample(np.random.default_rng(4), 1)[0]
    around = restricted.neighbours(row)
    assert len(around) == 2 + 2 + 1
    own = restricted.contract(np.asfortranarray(row[None]))
    assert ((restricted.contract(around) != own).sum(axis=1) == 1).all()


def test_an_architecture_outside_is_refused_with_what_is_kept() -> None:
    space = SearchSpace("staged", of_stages())
    outside = {
        "size": 8,
        "one.depth": 2,
        "one.block1.kernel": 7,
        "one.block2.kernel": 3,
        "two.depth": 1,
        "two.block1.kernel": 3,
    }
    message = (
        r"'one' cannot be depth=2 block1.kernel=7 block2.kernel=3 in the reduced space; kept: depth=1 block1.kernel=5; "
        r"depth=2 block1.kernel=3 block2.kernel=7; depth=2"
    )
    with pytest.raises(NasError, match=message):
        space.validate(outside)
    inside = space.validate({**outside, "one.block2.kernel": 7})
    assert space.encode([inside]).shape == (1, 7)
    assert space.decode(space.encode([inside])) == [inside]
    assert space.size == 3 * 3 * 2


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([Group("a", (1, 2), np.array([[0, 0]])), Group("b", (2, 3), np.array([[0, 0]]))], "two groups hold the same decision"),
        ([Group("a", (1,), np.empty((0, 1)))], "needs decisions and 1 to 256 joint options"),
        ([Group("a", (1, 9), np.array([[0, 0]]))], "has decision 9; there are 7"),
        ([Group("a", (1,), np.array([[7]]))], "option that its decisions do not have"),
        ([Group("a", (1,), np.array([[1], [1]]))], "joint option twice"),
    ],
)
def test_groups_that_are_none_are_refused(groups: list[Group], message: str) -> None:
    with pytest.raises(NasError, match=message):
        Restricted(staged(), groups)


def test_a_grammar_has_no_groups() -> None:
    class Grammar(Decisions):
        def mutate(self, rows: Rows, rng: np.random.Generator, probability: float = 0.1) -> Rows:
            return rows

    with pytest.raises(NasError, match="derived from a grammar"):
        Restricted(Grammar([Choice("a", (1, 2))]), [Group("a", (0,), np.array([[0]]))])
