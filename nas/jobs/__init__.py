"""What the commands do, in Python."""

from nas.jobs.exporting import export
from nas.jobs.run import Run
from nas.jobs.running import resume, search, train
from nas.jobs.showing import show

__all__ = ["Run", "export", "resume", "search", "show", "train"]
