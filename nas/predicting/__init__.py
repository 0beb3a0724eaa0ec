"""Predicting accuracy: how architectures are encoded, what a predictor is, and how good it is."""

from nas.predicting.encoding import Encoding, Graphs
from nas.predicting.fitted import FittedTo, open_fitted, save_fitted
from nas.predicting.modules import Module, ModulePredictor
from nas.predicting.predictor import Predictor, load_predictor, make_predictor, open_predictor
from nas.predicting.proxy import NotDefined, Proxy, open_proxy, proxy_names
from nas.predicting.proxy_features import with_proxies
from nas.predicting.proxy_scores import ProxyScorer, score_rows
from nas.predicting.quality import Quality, conformal_factor, quality_of
from nas.predicting.validation import cross_validated

__all__ = [
    "Encoding",
    "FittedTo",
    "Graphs",
    "Module",
    "ModulePredictor",
    "NotDefined",
    "Predictor",
    "Proxy",
    "ProxyScorer",
    "Quality",
    "conformal_factor",
    "cross_validated",
    "load_predictor",
    "make_predictor",
    "open_fitted",
    "open_predictor",
    "open_proxy",
    "proxy_names",
    "quality_of",
    "save_fitted",
    "score_rows",
    "with_proxies",
]
