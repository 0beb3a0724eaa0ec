"""Looking for the best architecture within bounds: targets, evaluation, history, strategies."""

from nas.searching.candidates import CandidateEvaluator, CandidateTraining
from nas.searching.driver import search
from nas.searching.evaluate import Evaluator, Scorer
from nas.searching.filters import Filter, FilterOfRows, parse_filter
from nas.searching.fronts import front_of, knee
from nas.searching.history import ArrayHistory, History, Trial
from nas.searching.objectives import parse_objective
from nas.searching.options import checked_options, describe_strategy, make_strategy
from nas.searching.predicted import PredictorEvaluator
from nas.searching.problem import Objective, Problem
from nas.searching.proxied import ProxyEvaluator
from nas.searching.rewards import Reward, parse_reward
from nas.searching.strategy import Strategy, open_strategy, strategy_names
from nas.searching.study import StudyHistory
from nas.searching.tables import TableEvaluator, read_table
from nas.searching.targets import Target, parse_target
from nas.searching.warm_start import WarmStart, WarmStartAsked, parse_warm_start

__all__ = [
    "ArrayHistory",
    "CandidateEvaluator",
    "CandidateTraining",
    "Evaluator",
    "Filter",
    "FilterOfRows",
    "History",
    "Objective",
    "PredictorEvaluator",
    "Problem",
    "ProxyEvaluator",
    "Reward",
    "Scorer",
    "Strategy",
    "StudyHistory",
    "TableEvaluator",
    "Target",
    "Trial",
    "WarmStart",
    "WarmStartAsked",
    "checked_options",
    "describe_strategy",
    "front_of",
    "knee",
    "make_strategy",
    "open_strategy",
    "parse_filter",
    "parse_objective",
    "parse_reward",
    "parse_target",
    "parse_warm_start",
    "read_table",
    "search",
    "strategy_names",
]
