"""Looking for the best architecture within bounds: targets, evaluation, history, strategies."""

from nas.searching.candidates import CandidateEvaluator, CandidateTraining
from nas.searching.driver import search
from nas.searching.evaluate import Evaluator, Scorer
from nas.searching.history import ArrayHistory, History, Trial
from nas.searching.problem import Objective, Problem
from nas.searching.strategy import Strategy, open_strategy
from nas.searching.study import StudyHistory
from nas.searching.targets import Target, parse_target

__all__ = [
    "ArrayHistory",
    "CandidateEvaluator",
    "CandidateTraining",
    "Evaluator",
    "History",
    "Objective",
    "Problem",
    "Scorer",
    "Strategy",
    "StudyHistory",
    "Target",
    "Trial",
    "open_strategy",
    "parse_target",
    "search",
]
