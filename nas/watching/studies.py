"""The evaluations of a run as far as they are known now, read without opening the run's space.

Whoever looks at a folder of runs has not asked to run the code of a space that one of them names.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.watching.finding import readable

KEPT = 16
"""Studies that stay open, so that following a run only reads what was added."""


@dataclass
class Evaluations:
    """What one study says.

    Attributes:
        figures: of every successful full evaluation: metrics and costs by name.
        spent: evaluations spent by then, in full ones.
        numbers: of the evaluation in its study, from 1.
        end: what all have spent.
    """

    figures: list[Mapping[str, float]] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    end: float = 0.0


class Studies:
    """Reads the studies of runs again and again."""

    def __init__(self) -> None:
        self._open: dict[Path, tuple[tuple[int, int], Any]] = {}
        self._lock = threading.Lock()

    def of(self, path: Path) -> dict[str, Evaluations]:
        """Every study in a journal by name; none where there is no journal.

        Raises:
            NasError: it is damaged.
        """
        if readable(path) is None:
            return {}
        with self._lock:
            try:
                storage = self._storage(path)
                found = {
                    study.study_name: storage.get_all_trials(study._study_id, deepcopy=False)
                    for study in storage.get_all_studies()
                }
                return {name: _evaluations(trials) for name, trials in found.items()}
            except Exception as error:
                # Whatever a damaged journal makes Optuna do, the other runs are to be seen.
                self._open.pop(path, None)
                raise NasError(f"study {path.name} cannot be read: {type(error).__name__}: {error}") from error

    def _storage(self, path: Path) -> Any:
        """An open journal; opened anew where the file was replaced or has become shorter."""
        from nas.searching.journal import open_journal

        now = path.stat()
        known = self._open.pop(path, None)
        if known is None or known[0][0] != now.st_ino or known[0][1] > now.st_size:
            known = ((now.st_ino, now.st_size), open_journal(path))
        self._open[path] = ((now.st_ino, now.st_size), known[1])
        while len(self._open) > KEPT:
            self._open.pop(next(iter(self._open)))
        return known[1]


def _evaluations(trials: list[Any]) -> Evaluations:
    found = Evaluations()
    shares = [_share(trial.user_attrs.get("fidelity", 1.0)) for trial in trials]
    done = [trial.user_attrs.get("failure") is None and bool(_numbers(trial.user_attrs.get("metrics"))) for trial in trials]
    most = max((share for share, ok in zip(shares, done, strict=True) if ok), default=1.0)
    for number, (trial, share, ok) in enumerate(zip(trials, shares, done, strict=True), 1):
        found.end += share
        if ok and share == most:
            figures = {**_numbers(trial.user_attrs.get("costs")), **_numbers(trial.user_attrs.get("metrics"))}
            found.figures.append(figures)
            found.spent.append(found.end)
            found.numbers.append(number)
    return found


def _share(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and 0.0 <= value <= 1.0 else 1.0


def _numbers(content: Any) -> dict[str, float]:
    """Finite figures by name, whatever a file holds."""
    pairs = content.items() if isinstance(content, dict) else ()
    return {str(k): float(v) for k, v in pairs if isinstance(v, int | float) and math.isfinite(v)}
