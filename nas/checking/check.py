"""All checks of a space, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from nas.base.progress import Reporter, Silent
from nas.checking import algebra, counting, definition, learning, networks, onnx, options
from nas.checking.examination import Examination
from nas.checking.report import Finding, Report, failed
from nas.supernet import Space, Task

MADE = "the space is made"


@dataclass(frozen=True)
class Check:
    """One property of a space.

    Attributes:
        name: short, as in findings.
        title: the property in words.
        run: yields what is wrong.
        needs: names of checks without whose success this one says nothing.
    """

    name: str
    title: str
    run: Callable[[Examination], Iterator[Finding]]
    needs: tuple[str, ...] = ()
    shared: bool = False
    """Whether it is about shared weights or one definition of all networks, which a `SeparateSpace` has not."""


CHECKS = (
    Check("builds", "it builds for its own task and for a small one", definition.builds),
    Check("choices", "every choice decides something, under a name of its own", definition.choices_used, ("builds",), True),
    Check("canonical", "the canonical form is one", algebra.canonical),
    Check("closed", "sampling, mutation, crossover and encodings stay in the space", algebra.closed, ("canonical",)),
    Check("reachable", "every option occurs", algebra.reachable, shared=True),
    Check("known", "published networks are legal", definition.known),
    Check("idle", "decisions that do not matter cost nothing", algebra.idle, ("builds", "canonical"), True),
    Check("norms", "batch norms hold no running statistics", definition.norms, ("builds",), True),
    Check("stateless", "a sub-network gives the same scores again", networks.stateless, ("builds",)),
    Check("exact", "extracted networks compute what the supernet does", networks.exact, ("builds", "stateless")),
    Check("idle scores", "decisions that do not matter change no score", networks.idle_scores, ("idle", "stateless"), True),
    Check("options", "every option makes a difference", options.options, ("builds", "stateless"), True),
    Check("counts", "multiply-adds and parameters are those of fvcore", counting.counts, ("builds",)),
    Check("gradients", "gradients reach what is in use and nothing else", learning.gradients, ("builds",), True),
    Check("onnx", "ONNX computes the same", onnx.onnx, ("exact",)),
    Check("training", "training steps leave a finite loss", learning.training, ("builds",)),
)
"""In the order in which they are made: the cheap ones first, what changes weights last."""


def check_space(
    space: Space | Callable[[], Space],
    count: int = 10,
    seed: int = 0,
    onnx: int = 1,
    task: Task | None = None,
    reporter: Reporter | None = None,
    label: str = "the space",
) -> Report:
    """Try everything that a search relies on, and say in plain words what is wrong and where.

    Whatever goes wrong inside the space's own code is a finding too.

    Args:
        space: or what makes it.
        count: how many architectures are built and compared.
        onnx: how many of them are exported and compared.
        task: what networks are built for; by default 32 px, and channels and classes unlike the space's own.
        label: what the report calls a space that cannot even be made.

    Raises:
        NasError: fvcore, which counts operations independently, is not installed.
    """
    counting.require_fvcore()
    try:
        made = space if isinstance(space, Space) else space()
    except Exception as error:
        rest = {check.title: f"{MADE} is needed first" for check in CHECKS}
        return Report(label, 0, (), (failed("made", error),), rest)
    return examine(Examination(made, count, seed, task, onnx), CHECKS, reporter or Silent())


def examine(examination: Examination, checks: Sequence[Check], reporter: Reporter) -> Report:
    """Make the checks in order; those that need one which failed are skipped."""
    findings: list[Finding] = []
    passed: list[str] = []
    skipped: dict[str, str] = {}
    titles = {check.name: check.title for check in CHECKS}
    bad: set[str] = set()
    reporter.start("checking", len(checks))
    for done, check in enumerate(checks):
        if check.shared and examination.separate:
            skipped[check.title] = "the networks of this space share no weights and no definition"
            continue
        missing = next((name for name in check.needs if name in bad), None)
        if missing is not None:
            skipped[check.title] = f"it needs '{titles[missing]}'"
            bad.add(check.name)
        else:
            found = make(check, examination)
            findings += found
            if found:
                bad.add(check.name)
            else:
                passed.append(check.title)
        reporter.advance(done + 1, check.name)
    reporter.finish()
    for name, remark in examination.remarks.items():
        skipped[f"partly: {titles[name]}"] = remark
    return Report(examination.space.name, len(examination.rows), tuple(passed), tuple(findings), skipped)


def make(check: Check, examination: Examination) -> list[Finding]:
    """The findings of one check; an exception is one of them."""
    found: list[Finding] = []
    try:
        found.extend(check.run(examination))
    except Exception as error:
        found.append(failed(check.name, error))
    return found
