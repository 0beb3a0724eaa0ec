"""A process that helps with a search over a database, and writes down what it evaluated.

python shared_worker.py URL STUDY FOLDER SECONDS
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tiny_search import decisions, linear

from nas.architectures import SearchSpace
from nas.searching import shared_search
from nas.searching.problem import TOP1
from nas.searching.work_study import WorkStudy

SPACE = SearchSpace("toy", decisions(genes=6, options=3))


class Evaluation:
    """Takes its time, fails for some, and leaves a file for each beginning."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder, self.seconds = folder, seconds

    def __call__(self, row: np.ndarray, fidelity: float = 1.0) -> Mapping[str, float]:
        (self.folder / f"{time.time_ns()}-{os.getpid()}").write_text(row.tobytes().hex())
        time.sleep(self.seconds)
        if row[1] == 2:
            raise RuntimeError("broken")
        return {"top1": float(linear(row[None])[0])}


def study(url: str, name: str) -> WorkStudy:
    return WorkStudy(url, name, SPACE, (TOP1,))


def main() -> None:
    url, name, folder, seconds = sys.argv[1:]
    shared_search.BEAT_SECONDS = 0.2
    print(shared_search.help_with(study(url, name), Evaluation(Path(folder), float(seconds))))


if __name__ == "__main__":
    main()
