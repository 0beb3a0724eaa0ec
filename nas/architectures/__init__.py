"""The algebra of architectures: identity, integer rows, sampling, mutation, crossover. Free of torch."""

from nas.architectures.architecture import Architecture
from nas.architectures.decisions import Decisions
from nas.architectures.encoding import Encoding, Graphs
from nas.architectures.groups import Group
from nas.architectures.restricted import Restricted, groupable
from nas.architectures.sampling import Bound, sample_bounded
from nas.architectures.search_space import SearchSpace

__all__ = [
    "Architecture",
    "Bound",
    "Decisions",
    "Encoding",
    "Graphs",
    "Group",
    "Restricted",
    "SearchSpace",
    "groupable",
    "sample_bounded",
]
