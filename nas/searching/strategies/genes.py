"""Genes of several decisions: what a place of a network holds, such as an operator and its input."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nas.architectures import Decisions


def genes(decisions: Decisions) -> list[list[int]]:
    """The columns of each gene, in order: neighbouring decisions whose names differ in the last part only, such as
    'normal.block1.first.input' and 'normal.block1.first.operator'; any other decision is a gene by itself."""
    found: list[list[int]] = []
    last = ""
    for column, name in enumerate(decisions.names):
        place = name.rpartition(".")[0]
        if place and place == last:
            found[-1].append(column)
        else:
            found.append([column])
        last = place
    return found


def redraw_gene(decisions: Decisions, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(D,) with the decisions of one gene, drawn uniformly, drawn anew. Not canonical yet."""
    places = genes(decisions)
    changed = row.copy()
    for column in places[int(rng.random() * len(places))]:
        changed[column] = int(rng.random() * decisions.cardinalities[column])
    return changed


def swap_genes(decisions: Decisions, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(D,) with two neighbouring genes exchanged, drawn among those whose options allow it; the same where none do. Not
    canonical yet."""
    places = genes(decisions)
    possible = []
    for first, second in pairwise(places):
        if len(first) == len(second):
            fits = (row[first] < decisions.cardinalities[second]).all() and (row[second] < decisions.cardinalities[first]).all()
            possible += [(first, second)] * bool(fits)
    changed = row.copy()
    if possible:
        first, second = possible[int(rng.random() * len(possible))]
        changed[first], changed[second] = row[second], row[first]
    return changed
