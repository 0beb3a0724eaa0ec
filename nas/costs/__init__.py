"""What a network costs: multiply-adds, parameters, memory, bytes of weights and table latency, for integer rows of a space."""

from nas.costs.breakdown import Layer, layers
from nas.costs.compiled import CompiledCost, RowCost, Term, compile_cost
from nas.costs.counts import macs_terms, parameter_terms
from nas.costs.expectation import expected
from nas.costs.latency import latency_terms, required_keys
from nas.costs.memory import memory_terms
from nas.costs.memory_model import MEMORY_MODELS, MemoryModel
from nas.costs.memory_rows import MemoryOfRows, memory_cost
from nas.costs.sums import summed_terms
from nas.costs.table import LatencyTable, devices, load_table, operator_key
from nas.costs.weights import WEIGHT_MODELS, weight_terms

__all__ = [
    "CompiledCost",
    "LatencyTable",
    "Layer",
    "MEMORY_MODELS",
    "MemoryModel",
    "MemoryOfRows",
    "RowCost",
    "Term",
    "WEIGHT_MODELS",
    "compile_cost",
    "devices",
    "expected",
    "latency_terms",
    "layers",
    "load_table",
    "macs_terms",
    "memory_cost",
    "memory_terms",
    "operator_key",
    "parameter_terms",
    "required_keys",
    "summed_terms",
    "weight_terms",
]
