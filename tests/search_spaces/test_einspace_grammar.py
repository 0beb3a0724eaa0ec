"""The grammar: counts, integer rows and nested text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from nas.base.errors import NasError
from search_spaces.einspace.grammar import ALTERNATIVES, BRANCHES, CODE, JOINS, OPTIONS, children_of, count_trees
from search_spaces.einspace.space import EinSpace
from search_spaces.einspace.tree import from_text, length_of, parse_codes, to_text


@pytest.fixture(scope="module")
def space() -> EinSpace:
    return EinSpace()


def derived(symbol: str, nodes: int) -> Iterator[tuple[str, ...]]:
    """Every tree of at most so many nodes, by plain enumeration; joins suit the number of branches."""
    if nodes < 1:
        return
    for option in ALTERNATIVES[symbol]:  # type: ignore[index]
        if symbol not in ("S", "M"):
            yield (option,)
        elif option == "branching":
            for branch, rule in BRANCHES.items():
                joins = [name for name, join in JOINS.items() if join.factor in (None, rule.factor)]
                for modules in chained(children_of("branching", branch)[1:-1], nodes - 3):
                    for join in joins:
                        yield (option, branch, *modules, join)
        else:
            for below in chained(children_of(option), nodes - 1):
                yield (option, *below)


def chained(symbols: tuple[str, ...], nodes: int) -> Iterator[tuple[str, ...]]:
    if not symbols:
        yield ()
        return
    for first in derived(symbols[0], nodes - len(symbols) + 1):
        for rest in chained(symbols[1:], nodes - len(first)):
            yield (*first, *rest)


@pytest.mark.parametrize("nodes", [4, 5, 6, 7])
def test_the_number_of_trees_is_exact_for_the_grammar(nodes: int) -> None:
    trees = list(derived("S", nodes))
    assert len(set(trees)) == len(trees)
    assert count_trees(nodes) == len(trees)


def test_the_size_of_the_space_is_a_number_that_can_be_listed(space: EinSpace) -> None:
    assert space.size == count_trees(320)
    assert 1e200 < float(space.size) < 1e300


def test_every_derived_tree_of_five_nodes_is_read_back() -> None:
    for names in derived("S", 5):
        codes = [CODE[name] for name in names]
        tree = parse_codes(codes)
        assert tree.length == len(codes) == length_of([*codes, 0, 0])
        assert tuple(node.option for node in tree.walk()) == names
        assert from_text(to_text(tree)) == tuple(codes)


def test_nested_text_is_read_as_it_is_printed(space: EinSpace) -> None:
    for architecture in space.known.values():
        assert space.parse(space.text(architecture)) == architecture
        assert space.parse("".join(space.text(architecture).split())) == architecture


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sequential(computation(linear65), computation(norm))", "unknown node 'linear65'.*Did you mean 'linear64'"),
        ("sequential(computation(norm))", "node003' is missing"),
        ("computation(norm)", "'node000' cannot be 'computation'; legal here: sequential, branching, routing"),
        ("sequential(computation(add), computation(norm))", "'node002' cannot be 'add'; legal here: identity, linear16"),
        ("sequential(computation(norm, computation(norm)))", "brackets do not fit"),
        ("sequential(computation(norm), computation(norm)) )", "brackets do not fit"),
        ("branching(clone2, computation(norm), add)", "cannot be 'add'"),
        ("", "empty"),
    ],
)
def test_a_text_that_is_no_tree_says_what_is_wrong(space: EinSpace, text: str, message: str) -> None:
    with pytest.raises(NasError, match=message):
        space.parse(text)


def test_an_architecture_is_readable_json_and_what_does_not_matter_is_dropped(space: EinSpace) -> None:
    architecture = space.parse("routing(im2col-k4s4p0, computation(linear64), col2im)")
    content = architecture.to_json()
    assert content["decisions"] == {
        "node000": "routing",
        "node001": "im2col-k4s4p0",
        "node002": "computation",
        "node003": "linear64",
        "node004": "col2im",
    }
    assert space.validate(str(architecture)) == architecture
    assert space.validate({**content["decisions"], "node005": "add"}) == architecture


@pytest.mark.parametrize(
    ("node", "option", "message"),
    [
        ("node003", "add", "'node003' cannot be 'add'; legal here: identity, linear16"),
        ("node003", "linear65", "'node003' cannot be 'linear65'; legal: "),
        ("node001", "permute21", "'node001' cannot be 'permute21', where 3x32x32 arrives; legal here: identity, permute132"),
        (
            "node004",
            "permute132",
            "'node004' cannot be 'permute132', where 64x64 arrives; legal here: identity, permute21, col2im",
        ),
        ("node002", "sequential", "'node003' cannot be 'linear64'; legal here: sequential"),
        ("node400", "add", "unknown decision"),
    ],
)
def test_an_illegal_decision_is_named(space: EinSpace, node: str, option: str, message: str) -> None:
    legal = dict(space.parse("routing(im2col-k4s4p0, computation(linear64), col2im)"))
    with pytest.raises(NasError, match=message):
        space.validate({**legal, node: option})


def test_rows_out_of_range_and_unfinished_rows_are_errors(space: EinSpace) -> None:
    with pytest.raises(NasError, match="legal: 0 to"):
        space.decode(np.full((1, 320), len(OPTIONS)))
    with pytest.raises(NasError, match="not finished after 320 nodes"):
        space.decode(np.zeros((1, 320), dtype=np.uint8))
    with pytest.raises(NasError, match="has 321 nodes"):
        space.decisions.row([0] * 321)
