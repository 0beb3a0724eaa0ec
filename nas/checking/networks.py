"""Checks of the networks: the supernet and what is extracted from it compute the same, whatever came before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.checking.algebra import any_rows, without_isomorphism
from nas.checking.examination import Examination
from nas.checking.passes import differs, first_difference, recorded, run
from nas.checking.report import Finding

REPEATS = 6


@torch.no_grad()
def exact(examination: Examination) -> Iterator[Finding]:
    """The extracted network computes what the supernet does, at batch 1 and at batch 5, and the batch does not matter."""
    images = examination.images
    told: set[str] = set()
    varied = False
    for row in examination.rows:
        scores = examination.scores(row)
        alone = examination.scores(row, images[:1])
        if not bool(torch.isfinite(scores).all()):
            yield Finding("exact", examination.name(row), "the scores of random images are not finite numbers")
            return
        varied = varied or differs(scores[:1].expand_as(scores), scores)
        if scores.shape != (len(images), examination.task.classes):
            yield Finding("exact", "the network", f"scores of {len(images)} images have the shape {tuple(scores.shape)}")
            return
        if "batch" not in told and examination.beyond_rounding(row, images, scores[:1], alone):
            told.add("batch")
            yield Finding(
                "exact",
                _batch_place(examination, row),
                "the scores of an image depend on which images are in the batch with it",
                "reduce, normalise and reshape within each image only; keep the batch as the first dimension",
            )
        for batch, expected in ((images, scores), (images[:1], alone)):
            place = _unlike(examination, row, batch, expected)
            if place and place not in told:
                told.add(place)
                yield Finding(
                    "exact",
                    place,
                    f"the extracted network computes something else than the supernet (batch {len(batch)}; "
                    f"{examination.name(row)})",
                    "its static() must build the torch module that computes what forward() does under the settings in force",
                )
    if not varied:
        yield Finding(
            "exact",
            "the network",
            "the scores do not depend on the image, so nothing could be compared",
            "look for an operator that wipes its input, or for weights that start at zero",
        )


def _unlike(examination: Examination, row: np.ndarray, images: torch.Tensor, expected: torch.Tensor) -> str:
    """Where the extracted network differs; '' where it does not."""
    extracted = examination.extracted(row)
    if not examination.beyond_rounding(row, examination.images, expected, run(extracted, images)):
        return ""
    _, static = recorded(extracted, images)
    with examination.active(row) as network:
        _, elastic = recorded(network, images)
    return first_difference(elastic, static)


def _batch_place(examination: Examination, row: np.ndarray) -> str:
    """The module that mixes the images of a batch."""
    with examination.active(row) as network:
        _, many = recorded(network, examination.images)
        _, one = recorded(network, examination.images[:1])
    for together, single in zip(many, one, strict=False):
        if together.output is None or single.output is None or single.output.dim() == 0:
            continue
        first = together.output[: len(single.output)]
        if len(together.output) != len(single.output) * len(examination.images) or differs(first, single.output):
            return together.path or "the network"
    return "the network"


@torch.no_grad()
def stateless(examination: Examination) -> Iterator[Finding]:
    """The same sub-network gives the same scores again, whichever was active before."""
    rows = examination.rows
    images = examination.images[:2]
    for index, row in enumerate(rows):
        expected = examination.scores(row, images)
        for repeat in range(min(REPEATS, 2 * len(rows)) if index == 0 else 1):
            other = None if repeat % 2 else rows[index - 1]
            if other is not None:
                examination.scores(other, images)
            if differs(expected, examination.scores(row, images), 1e-6):
                what = "when it is run again" if other is None else "after another sub-network ran"
                yield Finding(
                    "stateless",
                    _changing_place(examination, row, other, images),
                    f"the same sub-network gives other scores {what}",
                    "let forward depend on its input, its weights and its settings alone: on no global, no counter, no random "
                    "number while it evaluates, and on nothing that an earlier pass left behind",
                )
                return
        if index:
            continue
        with torch.enable_grad(), examination.active(row) as network:
            scores = run(network, images)
        if differs(expected, scores.detach()):
            yield Finding("stateless", "the network", "scores differ when gradients are recorded", "compute the same in both")
            return


def _changing_place(examination: Examination, row: np.ndarray, other: np.ndarray | None, images: torch.Tensor) -> str:
    """The module that gives other results for the same input, looked for in a few pairs of passes."""
    for _ in range(REPEATS):
        with examination.active(row) as network:
            before, steps = recorded(network, images)
        if other is not None:
            examination.scores(other, images)
        with examination.active(row) as network:
            after, again = recorded(network, images)
        if differs(before, after, 1e-6):
            return first_difference(steps, again)
    return "the network"


@torch.no_grad()
def idle_scores(examination: Examination) -> Iterator[Finding]:
    """A decision that does not matter changes no score; isomorphic architectures compute the same."""
    decisions = examination.space.decisions
    apart = without_isomorphism(decisions)
    given = any_rows(examination, "idle scores", max(64, examination.count))
    settled = apart.canonical(given)
    pairs = min((examination.count + 1) // 2, 6)
    for index in np.flatnonzero((given != settled).any(axis=1))[:pairs]:
        if differs(examination.scores(settled[index]), examination.scores(given[index])):
            columns = np.flatnonzero(given[index] != settled[index])
            names = ", ".join(decisions.names[column] for column in columns[:6])
            yield Finding(
                "idle",
                f"decisions {names}",
                "they change the scores of a network in which they should not matter",
                "read a choice while the network is walked wherever forward reads it",
            )
            return
    if decisions.isomorphism is not None:
        yield from _isomorphic(examination, decisions, settled, pairs)


def _isomorphic(examination: Examination, decisions: Decisions, settled: Rows, pairs: int) -> Iterator[Finding]:
    """With weights that are alike wherever shapes are, isomorphic networks give the same scores."""
    merged = decisions.canonical(settled)
    candidates = np.flatnonzero((merged != settled).any(axis=1))[:pairs]
    if not len(candidates):
        return
    with _alike(examination):
        scores = [[examination.scores(row) for row in (settled[index], merged[index])] for index in candidates]
    for index, (one, other) in zip(candidates, scores, strict=True):
        if differs(one, other, tolerance=1e-3):
            names = ", ".join(decisions.names[column] for column in np.flatnonzero(merged[index] != settled[index])[:6])
            yield Finding(
                "idle",
                f"isomorphism, at {names}",
                "it takes two networks for the same that compute something else, even with the same weights in all places",
                "let it merge only architectures that compute the same",
            )
            return


@contextlib.contextmanager
def _alike(examination: Examination) -> Iterator[None]:
    """Inside, weights depend on shape and output channel alone, so that no place and no order of inputs is special."""
    network = examination.supernet.network
    examination.forget()
    before = [parameter.clone() for parameter in network.parameters()]
    try:
        for name, parameter in network.named_parameters():
            if parameter.dim() <= 1 or parameter.shape[1] == 1:
                parameter.fill_(0.1 if name.endswith("bias") else 0.7)
                continue
            random = torch.Generator().manual_seed(len(parameter) + 131 * parameter[0, 0].numel())
            drawn = torch.randn((len(parameter), 1, *parameter.shape[2:]), generator=random)
            parameter.copy_(drawn / parameter[0].numel() ** 0.5 * torch.ones_like(parameter))
        yield
    finally:
        for parameter, kept in zip(network.parameters(), before, strict=True):
            parameter.copy_(kept)
        examination.forget()
