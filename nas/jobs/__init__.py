"""What the commands do, in Python."""

from nas.jobs.drawing import draw
from nas.jobs.evaluating import evaluate
from nas.jobs.explaining import explain
from nas.jobs.exporting import export
from nas.jobs.reports import report
from nas.jobs.retraining import retrain
from nas.jobs.run import Run
from nas.jobs.running import resume, search, train
from nas.jobs.showing import show
from nas.jobs.stages import describe_space

__all__ = [
    "Run",
    "describe_space",
    "draw",
    "evaluate",
    "explain",
    "export",
    "report",
    "resume",
    "retrain",
    "search",
    "show",
    "train",
]
