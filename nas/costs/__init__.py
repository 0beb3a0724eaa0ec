"""What a network costs: multiply-adds, parameters, activation memory and table latency, for integer rows of a space."""

from nas.costs.breakdown import Layer, layers
from nas.costs.compiled import CompiledCost, RowCost, Term, compile_cost
from nas.costs.counts import macs_terms, parameter_terms
from nas.costs.expectation import expected
from nas.costs.latency import latency_terms, required_keys
from nas.costs.memory import memory_terms
from nas.costs.memory_rows import MemoryOfRows, memory_cost
from nas.costs.table import LatencyTable, devices, load_table, operator_key

__all__ = [
    "CompiledCost",
    "LatencyTable",
    "Layer",
    "MemoryOfRows",
    "RowCost",
    "Term",
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
]
