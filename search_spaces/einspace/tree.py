"""A tree: its nodes in depth-first order as codes, and the same as nested text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nas.base.errors import NasError, unknown
from search_spaces.einspace.grammar import ALTERNATIVES, BRANCHES, CODE, OPTIONS, Symbol, children_of

LINE = 100
"""Longest line of the nested text that is not broken."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node with all below it.

    Attributes:
        symbol: what it was derived from.
        option: the alternative chosen.
        start: its place in depth-first order.
        depth: how many modules it is inside.
        length: nodes of the sub-tree, itself included.
    """

    symbol: Symbol
    option: str
    children: tuple[Node, ...]
    start: int
    depth: int
    length: int

    def walk(self) -> Iterator[Node]:
        """All nodes of the sub-tree in depth-first order."""
        yield self
        for child in self.children:
            yield from child.walk()


def decision_name(place: int) -> str:
    """The name of the decision that stands for the node at a place."""
    return f"node{place:03d}"


def parse_codes(codes: Sequence[int]) -> Node:
    """The tree that begins at the first code; what stands behind its end is not read.

    Raises:
        NasError: names the node that the grammar does not allow and the legal ones, or says that the codes end too early.
    """
    return _node("S", codes, 0, 0)


def _node(symbol: Symbol, codes: Sequence[int], start: int, depth: int) -> Node:
    if start >= len(codes):
        raise NasError(f"the tree is not finished after {len(codes)} nodes: decision '{decision_name(start)}' is missing")
    option = OPTIONS[codes[start]]
    if option not in ALTERNATIVES[symbol]:
        legal = ", ".join(ALTERNATIVES[symbol])
        raise NasError(f"decision '{decision_name(start)}' cannot be '{option}'; legal here: {legal}")
    if symbol not in ("S", "M"):
        return Node(symbol, option, (), start, depth, 1)
    children: list[Node] = []
    place = start + 1
    if option == "branching":
        children.append(_node("B", codes, place, depth))
        place += 1
    for below in children_of(option, children[0].option if children else None)[len(children) :]:
        child = _node(below, codes, place, depth + (below == "M"))
        children.append(child)
        place += child.length
    return Node(symbol, option, tuple(children), start, depth, place - start)


def length_of(codes: Sequence[int]) -> int:
    """How many codes belong to the tree that begins at the first one.

    Where the grammar is broken, the codes up to and including the offending one; all of them where the tree does not end.
    """
    pending: list[Symbol] = ["S"]
    place = 0
    while pending and place < len(codes):
        symbol = pending.pop()
        option = OPTIONS[codes[place]]
        place += 1
        if option not in ALTERNATIVES[symbol]:
            break
        if symbol in ("S", "M"):
            branch = None
            if option == "branching":
                branch = OPTIONS[codes[place]] if place < len(codes) else ""
                if branch not in BRANCHES:
                    return min(place + 1, len(codes))
            pending += reversed(children_of(option, branch))
    return place


def to_text(node: Node, indent: int = 0) -> str:
    """The tree as nested text: `routing(im2col-k3s1p1, computation(linear64), col2im)`, broken where lines get long."""
    line = _flat(node)
    if indent + len(line) <= LINE or not node.children:
        return line
    inner = ",\n".join(" " * (indent + 2) + to_text(child, indent + 2) for child in node.children)
    return f"{node.option}(\n{inner}\n{' ' * indent})"


def _flat(node: Node) -> str:
    if not node.children:
        return node.option
    return f"{node.option}({', '.join(map(_flat, node.children))})"


def from_text(text: str) -> tuple[int, ...]:
    """The codes of a tree in nested text; white space does not matter.

    Raises:
        NasError: an unknown name, brackets that do not match the grammar, or a node that the grammar does not allow.
    """
    names = re.findall(r"[a-z0-9-]+", text)
    for name in names:
        if name not in CODE:
            raise unknown("node", name, OPTIONS)
    if not names:
        raise NasError("a tree is written like sequential(computation(linear64), computation(norm)); the text given is empty")
    codes = tuple(CODE[name] for name in names)
    tree = parse_codes(codes)
    meant, given = _flat(tree).replace(" ", ""), re.sub(r"\s", "", text)
    if meant != given:
        place = next((i for i, (a, b) in enumerate(zip(meant, given, strict=False)) if a != b), min(len(meant), len(given)))
        raise NasError(
            f"the tree's brackets do not fit its nodes: after '{given[:place][-40:]}' comes '{given[place : place + 20]}', "
            f"expected '{meant[place : place + 20]}'"
        )
    return codes
