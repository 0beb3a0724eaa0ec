"""What the commands do, in Python."""

from nas.jobs.drawing import draw
from nas.jobs.explaining import explain
from nas.jobs.exporting import export
from nas.jobs.run import Run
from nas.jobs.running import resume, search, train
from nas.jobs.showing import show
from nas.jobs.stages import describe_space

__all__ = ["Run", "describe_space", "draw", "explain", "export", "resume", "search", "show", "train"]
