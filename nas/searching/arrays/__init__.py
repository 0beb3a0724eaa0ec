"""Searches on plain arrays, for tables and predictors, where an evaluation costs microseconds."""

from nas.searching.arrays.evolution import evolve
from nas.searching.arrays.nsga2 import nsga2
from nas.searching.arrays.sorting import best, crowding, fronts
from nas.searching.arrays.table_aging import TableProblem, aging

__all__ = ["TableProblem", "aging", "best", "crowding", "evolve", "fronts", "nsga2"]
