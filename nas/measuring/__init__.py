"""Measuring on a device: the operators that a space can need, the protocol, and the table that comes of it."""

from nas.measuring.connections import Answer, Connection, Remote, claim, last_line, open_connection, quoted, stream
from nas.measuring.measurement import Measurement, Request
from nas.measuring.plan import Model, Plan, read_plan
from nas.measuring.proven import ProvenRuntime
from nas.measuring.runtime import Runtime, list_runtimes, open_runtime, runtime_names
from nas.measuring.tabulating import merged, tabulate
from nas.measuring.timings import Figure, Timings, read_timings

__all__ = [
    "Answer",
    "Connection",
    "Figure",
    "Measurement",
    "Model",
    "Plan",
    "ProvenRuntime",
    "Remote",
    "Request",
    "Runtime",
    "Timings",
    "list_runtimes",
    "claim",
    "last_line",
    "merged",
    "open_connection",
    "open_runtime",
    "quoted",
    "read_plan",
    "read_timings",
    "runtime_names",
    "stream",
    "tabulate",
]
