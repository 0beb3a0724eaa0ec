"""What the checks of a space found, in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from nas.base.errors import NasError
from nas.base.origins import origin
from nas.checking.passes import ForwardError

ADVICE = (
    ("element by element need the same shape", "give both the same symbolic width, or leave the addition out"),
    ("may be left out need the same shape", "a module that may be left out must return the shape it takes"),
    ("channels that arrive", "give this layer the same symbolic width as what feeds it"),
    ("features that arrive", "give this layer the same symbolic width as what feeds it"),
    ("has no truth value before an architecture", "write no Python 'if' or comparison on a choice"),
    ("is mapped without a value", "give every option of the choice a value"),
    ("needs one candidate for each", "give every option of the choice a module"),
    ("no cost is known for", "without a rule the operator would cost nothing in every target"),
    ("the network must return (N", "size its last layer by task.classes"),
    ("both named", "two decisions with one name would be one column of every encoding"),
)
"""What to do, by a part of the message."""

MODULE_FIRST = re.compile(r"([A-Za-z_][\w.]*|the network)(?:: | (?=uses '))(.*)", re.DOTALL)
"""How messages about a module begin."""


@dataclass(frozen=True)
class Finding:
    """Something wrong with a space.

    Attributes:
        check: name of the check that found it.
        place: module path, decision or file line.
        problem: what is wrong.
        advice: what to do; empty where the problem says it.
    """

    check: str
    place: str
    problem: str
    advice: str = ""

    def __str__(self) -> str:
        told = f"{self.place}: {self.problem}"
        return f"{told}. To do: {self.advice}" if self.advice else told


@dataclass(frozen=True)
class Report:
    """The outcome of all checks.

    Attributes:
        space: name of the space.
        architectures: how many were built and compared.
        passed: titles of the checks without a finding.
        findings: what is wrong, in the order of the checks.
        skipped: title -> why a check could not be made, or not wholly.
    """

    space: str
    architectures: int
    passed: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """Everything, with the verdict."""
        return {
            "space": self.space,
            "ok": self.ok,
            "architectures": self.architectures,
            "findings": [asdict(finding) for finding in self.findings],
            "passed": list(self.passed),
            "skipped": dict(self.skipped),
        }

    def __str__(self) -> str:
        lines = [str(finding) for finding in self.findings] or ["nothing is wrong"]
        return "\n".join([f"{self.space}:", *lines])


def failed(check: str, error: Exception) -> Finding:
    """An exception inside a check as a finding: its place, its message, and what to do where that is known."""
    path, cause = "", error
    if isinstance(error, ForwardError):
        path, cause = error.path, error.cause
    problem = str(cause) if isinstance(cause, NasError) else f"{type(cause).__name__}: {cause}"
    if isinstance(cause, NasError) and (told := MODULE_FIRST.fullmatch(problem)):
        path, problem = path or told[1], told[2]
    place = path or _decision(problem)
    if line := origin(cause):
        place = f"{place} ({line})" if place else line
    advice = next((advice for part, advice in ADVICE if part in problem), "")
    return Finding(check, place or "the space", problem.strip() or type(cause).__name__, advice)


def _decision(problem: str) -> str:
    """The decision that a message names."""
    told = re.search(r"(?:choice|decision|choices are both named) '([^']+)'", problem)
    return f"decision '{told[1]}'" if told else ""
