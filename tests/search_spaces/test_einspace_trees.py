"""Sampling, mutation, crossover and neighbours of trees."""

from __future__ import annotations

from itertools import takewhile

import numpy as np
import pytest
import torch

from nas.architectures import Bound, sample_bounded
from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.supernet import Task
from search_spaces.einspace.grammar import ALTERNATIVES
from search_spaces.einspace.places import Guards
from search_spaces.einspace.sampling import Growth
from search_spaces.einspace.space import EinSpace

LIGHT = 20e6
"""Multiply-adds up to which the quick tests run a network."""


@pytest.fixture(scope="module")
def space() -> EinSpace:
    return EinSpace()


@pytest.fixture(scope="module")
def rows(space: EinSpace) -> Rows:
    return space.decisions.sample(np.random.default_rng(3), 200)


def lengths(space: EinSpace, rows: Rows) -> np.ndarray:
    return space.decisions.active(rows).sum(axis=1)


def assert_runs(space: EinSpace, row: np.ndarray) -> None:
    network = space.network_of(row, space.task, 1).eval()
    images = torch.randn((5, *space.task.input_shape), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        scores = network(images)
        assert scores.shape == (5, space.task.classes)
        assert torch.isfinite(scores).all()
        assert torch.allclose(network(images[:1]), scores[:1], rtol=1e-3, atol=1e-4)


def test_sampled_trees_are_legal_varied_and_within_the_guards(space: EinSpace, rows: Rows) -> None:
    assert all(space.decisions.legal(row) for row in np.ascontiguousarray(rows))
    assert (space.decisions.check(rows) == rows).all()
    counts = lengths(space, rows)
    assert counts.min() == 5
    assert counts.max() <= space.guards.nodes
    assert len(np.unique(counts)) > 25
    assert len(np.unique(rows, axis=0)) > 150
    for row in rows:
        program = space.program(row)
        assert program.parameters <= space.guards.parameters
        assert program.activations <= space.guards.activations
        assert len(program.steps) <= space.guards.operators
        assert max(node.depth for node in space.decisions.tree(row).walk()) <= space.guards.depth


def test_sampled_networks_run_on_one_image_and_on_five(space: EinSpace, rows: Rows) -> None:
    costs = space.cost("macs", rows)
    light = [row for row, macs in zip(rows, costs, strict=True) if macs <= LIGHT and len(space.program(row).steps) <= 100]
    assert len(light) > 120
    for row in light:
        assert_runs(space, row)


@pytest.mark.slow
def test_all_sampled_networks_run(space: EinSpace, rows: Rows) -> None:
    for row in rows:
        assert_runs(space, row)


def test_computation_is_drawn_with_its_probability_and_the_rest_alike() -> None:
    growth = Growth(np.random.default_rng(0), Guards(), probability=0.32)
    for options, shares in ((ALTERNATIVES["M"], (0.68 / 3, 0.68 / 3, 0.68 / 3, 0.32)), (ALTERNATIVES["S"], (1 / 3,) * 3)):
        drawn = [growth.drawn(options) for _ in range(6000)]
        for option, share in zip(options, shares, strict=True):
            assert abs(drawn.count(option) / 6000 - share) < 0.03


def test_more_computation_makes_smaller_trees() -> None:
    means = [
        lengths(space, space.decisions.sample(np.random.default_rng(0), 60)).mean()
        for space in (EinSpace(probability=0.3), EinSpace(probability=0.7))
    ]
    assert means[0] > 1.5 * means[1]


def test_encoding_and_decoding_are_inverse(space: EinSpace, rows: Rows) -> None:
    architectures = space.decode(rows)
    assert (space.encode(architectures) == rows).all()
    assert [space.validate(str(architecture)) for architecture in architectures[:30]] == architectures[:30]
    assert space.from_one_hot(space.one_hot(architectures[:30])) == architectures[:30]
    noise = np.where(space.decisions.active(rows), rows, 7).astype(np.uint8)
    assert (space.decisions.check(noise) == rows).all()


def test_a_mutation_replaces_one_sub_tree(space: EinSpace, rows: Rows) -> None:
    children = space.decisions.mutate(rows, np.random.default_rng(1))
    space.decisions.check(children)
    assert (children != rows).any(axis=1).all()
    for parent, child in zip(rows, children, strict=True):
        assert_replaces_a_sub_tree(space, parent, child)


def assert_replaces_a_sub_tree(space: EinSpace, parent: np.ndarray, child: np.ndarray) -> None:
    """Some node of the parent and the node at its place in the child, of one symbol, hold all that differs."""
    before, after = space.decisions.tree(parent), space.decisions.tree(child)
    found = {node.start: node for node in after.walk()}
    for node in before.walk():
        other = found.get(node.start)
        if other is None or other.symbol != node.symbol or after.length - before.length != other.length - node.length:
            continue
        ends = node.start + node.length, other.start + other.length
        kept = (parent[: node.start] == child[: node.start]).all()
        if kept and (parent[ends[0] : before.length] == child[ends[1] : after.length]).all():
            return
    raise AssertionError("more than one sub-tree differs")


def test_a_mutation_reaches_every_kind_of_node(space: EinSpace) -> None:
    parent = space.encode([space.known["transformer-4"]])[0]
    children = space.decisions.mutate(np.asfortranarray(np.repeat(parent[None], 40, axis=0)), np.random.default_rng(2))
    symbols = set()
    for child in children:
        differs = next(iter(np.flatnonzero(parent != child)))
        symbols.add(next(node.symbol for node in space.decisions.tree(parent).walk() if node.start == differs))
    assert symbols >= {"M", "C", "Post"}


def test_a_crossover_takes_one_sub_tree_of_the_other_parent(space: EinSpace, rows: Rows) -> None:
    others = rows[::-1]
    children = space.decisions.crossover(rows, others, np.random.default_rng(4))
    space.decisions.check(children)
    changed = 0
    for parent, other, child in zip(rows, others, children, strict=True):
        if np.array_equal(parent, child):
            continue
        changed += 1
        assert_replaces_a_sub_tree(space, parent, child)
        same = len(list(takewhile(bool, parent == child)))
        givers = {node.option for node in space.decisions.tree(other).walk()}
        assert space.decisions.choices[0].options[child[same]] in givers
    assert changed > 180


def test_neighbours_differ_in_one_terminal_and_are_all_of_them(space: EinSpace) -> None:
    architecture = space.parse("routing(im2col-k4s4p0, computation(linear64), col2im)")
    row = space.encode([architecture])[0]
    neighbours = space.decisions.neighbours(row)
    space.decisions.check(neighbours)
    assert ((neighbours != row).sum(axis=1) == 1).all()
    expected = set()
    for place in (1, 3, 4):
        for code in range(len(space.decisions.choices[0].options)):
            other = row.copy()
            other[place] = code
            if code != row[place] and space.decisions.legal(other):
                expected.add(other.tobytes())
    assert {neighbour.tobytes() for neighbour in np.ascontiguousarray(neighbours)} == expected
    assert len(expected) > 15


def test_the_same_generator_gives_the_same_trees(space: EinSpace, rows: Rows) -> None:
    assert (EinSpace().decisions.sample(np.random.default_rng(3), 20) == rows[:20]).all()


def test_tight_guards_are_kept() -> None:
    guards = Guards(nodes=30, depth=3, tensor=2**14, activations=2**16, parameters=20_000, operators=20)
    space = EinSpace(guards=guards)
    rows = space.decisions.sample(np.random.default_rng(5), 100)
    rows = np.concatenate([rows, space.decisions.mutate(rows, np.random.default_rng(6))])
    assert rows.shape == (200, 30)
    for row in rows:
        program = space.program(row)
        assert program.parameters <= 20_000 + 10 * 2048
        assert len(program.steps) <= 20
        assert max(np.prod(step.shape) for step in program.steps) <= 2**14
        assert max(node.depth for node in space.decisions.tree(row).walk()) <= 3
    assert lengths(space, rows).max() > 15
    assert "resnet18" not in space.known


def test_a_tree_that_breaks_a_guard_is_refused() -> None:
    space = EinSpace(guards=Guards(parameters=1000))
    with pytest.raises(NasError, match="parameters at 32 px"):
        space.parse("sequential(computation(linear64), computation(linear64))")


def test_trees_are_legal_for_every_task_of_a_run() -> None:
    small, large = Task(1, 16, 10), Task(1, 48, 10)
    space = EinSpace().at(small, large)
    rows = space.decisions.sample(np.random.default_rng(8), 60)
    for task in (small, large):
        alone = EinSpace().at(task)
        alone.decisions.check(rows)
    text = "routing(im2col-k16s16p0, sequential(computation(norm), computation(linear64)), col2im)"
    space.parse(text)
    # 16 patches at 64 px suit a linear layer over them that is added to its input; 4 at 32 px do not.
    mixer = (
        "routing(im2col-k16s16p0, branching(clone2, routing(permute21, computation(linear16), permute21), {0}, add), identity)"
    )
    mixer = mixer.format("computation(identity)")
    assert EinSpace().at(Task(3, 64, 10)).parse(mixer)
    with pytest.raises(NasError, match="cannot be 'add'"):
        EinSpace().at(Task(3, 64, 10), Task(3, 32, 10)).parse(mixer)
    assert space.at(small, large) is space


def test_sampling_under_bounds_ends(space: EinSpace) -> None:
    bound = Bound("params", 5000.0, space.compiled("params"), str)
    rows = sample_bounded(space.decisions, np.random.default_rng(0), 10, [bound])
    assert len(rows) == 10
    assert (space.cost("params", rows) <= 5000).all()
    impossible = Bound("params", 15.0, space.compiled("params"), str)
    with pytest.raises(NasError, match="minimum"):
        sample_bounded(EinSpace(guards=Guards(nodes=10)).decisions, np.random.default_rng(0), 2, [impossible])


def test_smallest_and_largest_are_legal(space: EinSpace) -> None:
    assert len(space.smallest) == 5
    assert len(space.largest) == space.guards.nodes
    assert space.cost("params", space.smallest) == 3 * 10 + 10
