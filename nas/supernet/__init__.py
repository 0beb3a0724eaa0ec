"""Spaces with their networks: the supernet, its sub-networks as plain torch, and batch-norm statistics."""

from nas.supernet.blocks import Blocks, NotDivisible
from nas.supernet.extract import extract, without_resize
from nas.supernet.family import Family, open_space, space_names
from nas.supernet.relaxation import Edge, NotRelaxable, Relaxation, operator_relaxation
from nas.supernet.restricting import restricted
from nas.supernet.separate import SeparateSpace
from nas.supernet.space import Space
from nas.supernet.statistics import Statistics
from nas.supernet.supernet import Supernet
from nas.supernet.task import Task

__all__ = [
    "Blocks",
    "Edge",
    "Family",
    "NotDivisible",
    "NotRelaxable",
    "Relaxation",
    "SeparateSpace",
    "Space",
    "Statistics",
    "Supernet",
    "Task",
    "extract",
    "open_space",
    "operator_relaxation",
    "restricted",
    "space_names",
    "without_resize",
]
