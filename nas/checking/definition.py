"""Checks of the definition: does it build alike every time, and is every choice made there used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch.nn.modules.batchnorm import _NormBase

from nas.base.errors import NasError
from nas.base.origins import caller
from nas.checking.examination import Examination
from nas.checking.passes import run
from nas.checking.report import Finding
from nas.choices import Choice


def builds(examination: Examination) -> Iterator[Finding]:
    """Built without memory for a small task, the network meets the choices that it met for its own."""
    space, task = examination.space, examination.task
    if examination.separate:
        for row in examination.rows:
            run(examination.extracted(row), examination.images[:1])
        return
    own = {choice.name: choice for choice in space.decisions.choices}
    with noting(examination.made):
        found = space.walk(task)
    for choice in found.choices:
        if choice.name not in own:
            yield Finding(
                "builds",
                f"decision '{choice.name}'",
                f"it exists in a network built for {task}, and not in the one from which the space was read",
                "name choices by their place in the network, not by a counter or another state that outlives a build, and make "
                "the same ones for every task",
            )
        elif choice != own[choice.name]:
            yield Finding(
                "builds",
                f"decision '{choice.name}'",
                f"its options are {choice.options} when built for {task}, and {own[choice.name].options} before",
                "give a choice the same options in every build and for every task",
            )


def choices_used(examination: Examination) -> Iterator[Finding]:
    """Every choice that is made while the network is built decides something, and no two of them share a name."""
    space = examination.space
    if not examination.made:  # The space had been built for the task before.
        with noting(examination.made), torch.device("meta"):
            space.build(examination.task)
    for name, lines in examination.made.items():
        place = f"decision '{name}'" + (f" ({lines[-1]})" if lines[-1] else "")
        if name not in space.decisions.column:
            yield Finding(
                "choices",
                place,
                "this choice is made and then decides nothing: no layer that is run reads it",
                "hand it to the layer it is meant for, or leave it out",
            )
        elif len(lines) > 1:
            yield Finding(
                "choices",
                place,
                f"{len(lines)} choices are made with this name and the same options, and count as one decision",
                "give each a name of its own, or make the choice once and hand it to every layer that shares it",
            )


@contextlib.contextmanager
def noting(made: dict[str, list[str]]) -> Iterator[None]:
    """Inside, every choice that is made is noted with the line that made it."""
    original = Choice.__init__

    def noted(choice: Choice, *args: Any, **kwargs: Any) -> None:
        original(choice, *args, **kwargs)
        made.setdefault(choice.name, []).append(caller())

    with mock.patch.object(Choice, "__init__", noted):
        yield


def norms(examination: Examination) -> Iterator[Finding]:
    """No layer averages running statistics over different sub-networks."""
    for path, module in examination.supernet.network.named_modules():
        if isinstance(module, _NormBase) and module.track_running_stats:
            yield Finding(
                "norms",
                path,
                f"{type(module).__name__} averages its running statistics over all sub-networks, and describes none of them",
                "use nas.elastic.ElasticBatchNorm2d, also where the width is fixed: the supernet lends it those of one "
                "sub-network",
            )


def known(examination: Examination) -> Iterator[Finding]:
    """Every published architecture is one of the space."""
    space = examination.space
    for name, given in space._known.items():
        try:
            space.validate(given)
        except NasError as error:
            yield Finding("known", f"known network '{name}'", str(error), "correct its decisions, or the options of the space")
