"""What a network costs: multiply-adds, parameters, memory, bytes of weights and table latency, for integer rows of a space."""

from nas.costs.breakdown import Layer, layers
from nas.costs.compiled import CompiledCost, RowCost, Term, compile_cost
from nas.costs.counts import macs_terms, parameter_terms
from nas.costs.estimates import Estimator, KindQuality
from nas.costs.expectation import expected
from nas.costs.installed import added_tables, devices, install_table, remove_table
from nas.costs.keys import OperatorKey, parse_key
from nas.costs.latency import lacking_keys, latency_terms
from nas.costs.measured import MeasuredOptions, measured_options
from nas.costs.memory import memory_terms
from nas.costs.memory_model import MEMORY_MODELS, MemoryModel
from nas.costs.memory_rows import MemoryOfRows, memory_cost
from nas.costs.places import required_keys
from nas.costs.sums import summed_terms
from nas.costs.table import LatencyTable, load_table, operator_key
from nas.costs.table_transfer import TableTransfer
from nas.costs.tabled import is_tabled, table_of, tabled_metrics
from nas.costs.transfer import Transfer
from nas.costs.weights import WEIGHT_MODELS, weight_terms

__all__ = [
    "added_tables",
    "CompiledCost",
    "Estimator",
    "KindQuality",
    "LatencyTable",
    "Layer",
    "MEMORY_MODELS",
    "MemoryModel",
    "MeasuredOptions",
    "MemoryOfRows",
    "OperatorKey",
    "RowCost",
    "TableTransfer",
    "Term",
    "Transfer",
    "WEIGHT_MODELS",
    "compile_cost",
    "devices",
    "expected",
    "install_table",
    "lacking_keys",
    "is_tabled",
    "latency_terms",
    "layers",
    "load_table",
    "macs_terms",
    "measured_options",
    "memory_cost",
    "memory_terms",
    "operator_key",
    "parameter_terms",
    "parse_key",
    "remove_table",
    "required_keys",
    "summed_terms",
    "table_of",
    "tabled_metrics",
    "weight_terms",
]
