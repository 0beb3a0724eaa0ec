"""What a terminal shows while something takes long."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from nas.architectures import Bound, Decisions
from nas.base.progress import Silent
from nas.choices import Choice
from nas.cli.progress import TerminalReporter
from nas.searching import ArrayHistory, Problem, make_strategy, open_strategy, search
from nas.searching.problem import LOSS, TOP1, Objective


def shown(terminal: bool) -> str:
    """A whole task, as it was written."""
    file = io.StringIO()
    reporter = TerminalReporter(Console(file=file, force_terminal=terminal, width=80, height=20))
    reporter.say("a line [of its own]")
    reporter.start("training", 200, 50)
    reporter.advance(100, "loss 0.693")
    reporter.finish()
    return file.getvalue()


def test_a_terminal_sees_step_note_and_time_left() -> None:
    text = shown(True)
    for word in ("a line [of its own]", "training", "100/200", "left", "loss 0.693"):
        assert word in text


def test_nothing_else_sees_anything() -> None:
    assert shown(False) == ""


class Notes(Silent):
    """Everything that a search says of itself."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def advance(self, done: int, note: str = "") -> None:
        self.told.append(note)


def notes_of(objectives: tuple[Objective, ...], scores: dict[int, float]) -> list[str]:
    """What a random search of one decision says; the score of an option may be missing."""
    bound = Bound("macs", 9.0, lambda rows: 2.0 * rows[:, 0], "{:.0f} M".format)
    problem = Problem(Decisions([Choice("width", (1, 2, 3, 4))]), (bound,), objectives)
    reporter, name = Notes(), objectives[0].name

    def evaluate(row: np.ndarray) -> dict[str, float]:
        if int(row[0]) not in scores:
            raise ValueError("this one fails")
        return {name: scores[int(row[0])]}

    strategy = make_strategy("random", open_strategy("random"), problem, 0)
    search(strategy, ArrayHistory(1, objectives), evaluate, 4, reporter)
    return reporter.told


def test_a_search_says_its_best_and_what_that_costs() -> None:
    told = notes_of((TOP1,), {0: 10.0, 1: 40.0, 2: 30.0, 3: 20.0})
    assert len(told) == 4
    assert told[-1] == "best top1 40.00 %, macs 2 M"


def test_small_losses_are_the_best_and_failures_are_none() -> None:
    told = notes_of((LOSS,), {0: 3.0, 3: 1.5})
    assert told[-1] == "best loss 1.5, macs 6 M"
    assert set(notes_of((TOP1,), {})) == {""}
