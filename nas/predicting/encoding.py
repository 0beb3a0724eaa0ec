"""How predictors see architectures. The class stands with the architectures, since every space has one; see there."""

from nas.architectures.encoding import ONE_HOT, Columns, Encoding, Graphs

__all__ = ["ONE_HOT", "Columns", "Encoding", "Graphs"]
