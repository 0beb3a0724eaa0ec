"""Checks of architectures as data: no network is needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nas.architectures import Architecture, Decisions
from nas.architectures.decisions import Rows
from nas.checking.examination import Examination
from nas.checking.report import Finding

MANY = 512
FEW = 32
COSTS = ("macs", "params")


def any_rows(examination: Examination, stream: str, count: int) -> Rows:
    """Random rows that are not canonical, as idle decisions hold anything; canonical ones where only those are legal."""
    decisions = examination.space.decisions
    if type(decisions) is not Decisions:
        return decisions.sample(examination.rng(stream), count)
    drawn = examination.rng(stream).random((count, len(decisions))) * decisions.cardinalities
    return np.asfortranarray(drawn.astype(np.uint8))


def without_isomorphism(decisions: Decisions) -> Decisions:
    """The same decisions, of which isomorphic architectures stay apart."""
    return Decisions(decisions.choices, decisions.conditions)


def closed(examination: Examination) -> Iterator[Finding]:
    """What sampling, mutation, crossover and neighbours give is legal; every notation of an architecture gives it back."""
    space, rng = examination.space, examination.rng("closed")
    decisions = space.decisions
    many = FEW if examination.separate else MANY
    first, second = decisions.sample(rng, many), decisions.sample(rng, many)
    made = {
        "sample": first,
        "mutate": decisions.mutate(first, rng, 0.3),
        "crossover": decisions.crossover(first, second, rng),
        "neighbours": decisions.neighbours(first[0]),
        "from_one_hot": decisions.from_one_hot(decisions.one_hot(first)),
    }
    for operation, rows in made.items():
        wrong = (decisions.check(rows) != rows).any(axis=0)
        for column in np.flatnonzero(wrong)[:1]:
            yield Finding(
                "closed",
                f"decision '{decisions.names[column]}'",
                f"{operation} gives rows that are not canonical",
                "correct the space's isomorphism: applied twice it must give what it gives once",
            )
    if (made["from_one_hot"] != first).any():
        column = int(np.flatnonzero((made["from_one_hot"] != first).any(axis=0))[0])
        yield Finding("closed", f"decision '{decisions.names[column]}'", "one-hot encoding and back gives another architecture")
    yield from _objects(examination, space.decode(first[:8]), space.decode(second[:8]), rng)


def _objects(
    examination: Examination, first: list[Architecture], second: list[Architecture], rng: np.random.Generator
) -> Iterator[Finding]:
    space = examination.space
    notations: dict[str, Callable[[Architecture], Any]] = {
        "JSON": lambda a: space.validate(json.dumps(a.to_json())),
        "rows": lambda a: space.decode(space.encode([a]))[0],
        "one-hot": lambda a: space.from_one_hot(space.one_hot([a]))[0],
        "validate": lambda a: space.validate(dict(a)),
    }
    for one, other in zip(first, second, strict=True):
        made = [one, space.mutate(one, rng, 0.3), space.crossover(one, other, rng), *space.neighbours(one)[:4]]
        for architecture in made:
            for notation, there_and_back in notations.items():
                found = there_and_back(architecture)
                if found != architecture or hash(found) != hash(architecture):
                    yield Finding("closed", notation, f"there and back gives another architecture: {architecture} {found}")
                    return


def canonical(examination: Examination) -> Iterator[Finding]:
    """The canonical form of a canonical row is itself, and does not depend on the other rows."""
    decisions = examination.space.decisions
    given = any_rows(examination, "canonical", FEW if examination.separate else MANY)
    before = given.copy()
    once = decisions.canonical(given)
    advice = "correct the space's isomorphism"
    if once.shape != given.shape or (once >= decisions.cardinalities).any():
        yield Finding("canonical", "isomorphism", "it returns rows of another shape, or codes that are no option's", advice)
        return
    if (given != before).any():
        yield Finding("canonical", "isomorphism", "it writes into the rows it is given", f"{advice}: let it work on a copy")
    unlike = {
        "applied twice, it gives something else than applied once": decisions.canonical(once) != once,
        "a row alone gets another form than among others": np.concatenate(
            [decisions.canonical(np.asfortranarray(row[None])) for row in before[:FEW]]
        )
        != once[:FEW],
        "it gives a decision that does not matter another option than the first": ~decisions.active(once) & (once != 0),
    }
    for problem, wrong in unlike.items():
        for column in np.flatnonzero(wrong.any(axis=0))[:1]:
            name = decisions.names[column]
            yield Finding("canonical", f"isomorphism, at decision '{name}'", f"the canonical form is none: {problem}", advice)


def reachable(examination: Examination) -> Iterator[Finding]:
    """For every option there is an architecture that has it."""
    decisions = examination.space.decisions
    rng = examination.rng("reachable")
    rows = decisions.sample(rng, 8 * MANY)
    active = decisions.active(rows)
    for column, choice in enumerate(decisions.choices):
        seen = set(rows[active[:, column], column].tolist())
        unseen = [code for code in range(len(choice.options)) if code not in seen]
        lost = [choice.options[code] for code in unseen if not _forced(decisions, rng, column, code)]
        if lost:
            every = len(lost) == len(choice.options)
            yield Finding(
                "reachable",
                f"decision '{choice.name}'",
                "no architecture was found in which it matters" if every else f"no architecture was found that has {lost}",
                "look at the condition under which it is read"
                if every
                else "leave these options out, or correct the isomorphism",
            )


def _forced(decisions: Decisions, rng: np.random.Generator, column: int, code: int) -> bool:
    """Whether an architecture has the option: random ones with it, drawn towards what its condition needs."""
    trial = np.asfortranarray((rng.random((MANY * 16, len(decisions))) * decisions.cardinalities).astype(np.uint8))
    trial[:, column] = code
    condition = decisions.conditions.get(decisions.names[column])
    rows = decisions.canonical(trial)
    if condition is not None:
        # Each decision in turn takes the option under which the condition most often holds.
        for needed in condition.choices:
            at = decisions.column[needed.name]
            held = []
            for option in range(len(needed.options)):
                changed = trial.copy(order="F")
                changed[:, at] = option
                held.append(int(decisions.active(decisions.canonical(changed))[:, column].sum()))
            if max(held) > min(held):
                trial[:, at] = int(np.argmax(held))
        rows = np.asfortranarray(np.concatenate([rows, decisions.canonical(trial)]))
    return bool((decisions.active(rows)[:, column] & (rows[:, column] == code)).any())


def idle(examination: Examination) -> Iterator[Finding]:
    """A decision that does not matter changes no cost; isomorphic architectures cost the same."""
    space = examination.space
    decisions = space.decisions
    apart = without_isomorphism(decisions)
    given = any_rows(examination, "idle", MANY)
    settled = apart.canonical(given)
    for metric in (*COSTS, "memory"):
        if metric == "memory":
            # Following tensors through a network takes longer than looking sums up.
            given, settled = given[:FEW], settled[:FEW]
        cost = space.compiled(metric, examination.task)
        raw, clean = cost(given), cost(settled)
        for row in np.flatnonzero(raw != clean)[:1]:
            yield Finding(
                "idle",
                f"decision '{_culprit(apart, cost, given[row], settled[row])}'",
                f"it changes {metric} ({clean[row]:.0f} to {raw[row]:.0f}) in a network in which it does not matter",
                "let its cost depend on what switches it off, as the layers of nas.elastic do",
            )
        if decisions.isomorphism is None or metric == "memory":
            continue  # The order of equal operators may hold more or less at a time.
        merged = cost(decisions.canonical(given))
        for row in np.flatnonzero(merged != clean)[:1]:
            columns = np.flatnonzero(decisions.canonical(given)[row] != settled[row])
            names = ", ".join(decisions.names[column] for column in columns[:6])
            yield Finding(
                "idle",
                f"isomorphism, at {names}",
                f"it takes two networks for the same that differ in {metric}: {clean[row]:.0f} and {merged[row]:.0f}",
                "let it merge only architectures that compute the same",
            )


def _culprit(decisions: Decisions, cost: Callable[[Rows], Any], given: Any, settled: Any) -> str:
    """The first decision that, changed alone, changes the cost."""
    for column in np.flatnonzero(given != settled):
        changed = settled.copy()
        changed[column] = given[column]
        pair = np.asfortranarray(np.stack([settled, changed]))
        low, high = cost(pair)
        if low != high:
            return decisions.names[column]
    return decisions.names[int(np.flatnonzero(given != settled)[0])]
