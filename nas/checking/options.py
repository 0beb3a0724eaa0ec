"""Check that every option makes a difference to something: a shape, a cost or the scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from nas.architectures.decisions import Rows
from nas.checking.algebra import COSTS
from nas.checking.examination import Examination
from nas.checking.passes import differs
from nas.checking.report import Finding

CONTEXTS = 24
COMPARED = 6
"""In so many different networks at most two options are compared by their scores before they count as one."""


def options(examination: Examination) -> Iterator[Finding]:
    """No two options of a decision give the same costs and the same scores in every network that was looked at."""
    space = examination.space
    decisions = space.decisions
    left = examination.forwards
    unexamined = 0
    drawn = decisions.sample(examination.rng("options"), 16 * CONTEXTS)
    largest = decisions.canonical(np.asfortranarray((decisions.cardinalities - 1).astype(np.uint8)[None]))
    drawn = np.asfortranarray(np.concatenate([largest, drawn]))
    active = decisions.active(drawn)
    for column in examination.rng("order").permutation(len(decisions)):
        contexts = drawn[active[:, column]][:CONTEXTS]
        if not len(contexts):
            continue
        variants = _variants(examination, contexts, int(column))
        same = _same_costs(examination, variants)
        if not same:
            continue
        same, spent = _same_scores(examination, variants, same, left)
        left -= spent
        if left <= 0 and same:
            unexamined += 1
            continue
        choice = decisions.choices[column]
        for first, second in sorted(same):
            yield Finding(
                "options",
                f"decision '{choice.name}'",
                f"options {choice.options[first]!r} and {choice.options[second]!r} give the same costs and the same scores",
                "leave one of them out, or look where the choice should be read and is not",
            )
    if unexamined:
        examination.remarks["options"] = (
            f"{unexamined} of {len(decisions)} decisions have options that cost the same, and were not compared by their scores"
        )


def _variants(examination: Examination, contexts: Rows, column: int) -> list[Rows]:
    """For each option of a decision the contexts with that option."""
    decisions = examination.space.decisions
    variants = []
    for code in range(int(decisions.cardinalities[column])):
        changed = contexts.copy(order="F")
        changed[:, column] = code
        variants.append(decisions.canonical(changed))
    return variants


def _same_costs(examination: Examination, variants: list[Rows]) -> set[tuple[int, int]]:
    """Pairs of options that cost the same in every context, at the space's own task and at the small one."""
    space = examination.space
    figures = np.stack(
        [
            np.stack([space.compiled(metric, task)(rows) for metric in COSTS for task in (space.task, examination.task)])
            for rows in variants
        ]
    )
    pairs = {(a, b) for b in range(len(variants)) for a in range(b)}
    return {(a, b) for a, b in pairs if (figures[a] == figures[b]).all() and (variants[a] != variants[b]).any()}


@torch.no_grad()
def _same_scores(
    examination: Examination, variants: list[Rows], pairs: set[tuple[int, int]], most: int
) -> tuple[set[tuple[int, int]], int]:
    """Those of the pairs whose scores agree as well, and how many passes that took."""
    spent = 0
    for context in range(min(COMPARED, len(variants[0]))):
        scores: dict[int, torch.Tensor] = {}
        for option in sorted({option for pair in pairs for option in pair}):
            if spent >= most:
                return pairs, spent
            row = variants[option][context]
            supernet = examination.supernet
            supernet.activate(row)
            captured: list[torch.Tensor] = []
            hook = supernet.network.register_forward_hook(lambda *a, captured=captured: captured.append(a[2]))
            try:
                # The scores under the statistics of the batch itself: one pass instead of two.
                supernet.calibrate([examination.images])
            finally:
                hook.remove()
            scores[option] = captured[0]
            spent += 1
        pairs = {(a, b) for a, b in pairs if not differs(scores[a], scores[b], 1e-5)}
        if not pairs:
            break
    return pairs, spent
