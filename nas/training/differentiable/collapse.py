"""Whether a differentiable search runs into skip connections.

Operators without weights are right from the start, and architecture parameters come to prefer them while the others still
learn; networks full of skip connections follow (Zela et al., Understanding and robustifying differentiable architecture
search, 2020; Liang et al., DARTS+, 2019). The share of skip connections among the derived operators tells it early.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.supernet import Relaxation


class CollapseMonitor:
    """Follows the share of skip connections.

    Args:
        threshold: share above which to warn.

    Attributes:
        shares: one for each time that it was asked.
    """

    def __init__(self, relaxation: Relaxation, threshold: float) -> None:
        self.relaxation = relaxation
        self.threshold = threshold
        self.shares: list[float] = []

    def observe(self, scores: Sequence[np.ndarray]) -> str | None:
        """Note what the scores (O,) of each edge would derive; a warning where the share has passed the threshold."""
        skips, operators = skip_connections(self.relaxation, scores)
        share = skips / operators if operators else 0.0
        before = self.shares[-1] if self.shares else 0.0
        self.shares.append(share)
        if not before <= self.threshold < share:
            return None
        return (
            f"the search may be collapsing: {skips} of {operators} derived operators are skip connections; an earlier end, "
            "--trainer fair-darts or --trainer pc-darts avoid it"
        )


def skip_connections(relaxation: Relaxation, scores: Sequence[np.ndarray]) -> tuple[int, int]:
    """How many operators of the derived architecture are the identity, and how many there are at all.

    Counted are the edges that the relaxation watches, or all that have an identity; `none` is no operator.
    """
    edges = relaxation.edges
    watched = relaxation.watched
    if watched is None:
        watched = tuple(number for number, edge in enumerate(edges) if edge.skip is not None)
    kept = [(edges[edge], operator) for edge, operator in relaxation.kept(scores) if edge in watched]
    skips = sum(operator == edge.skip for edge, operator in kept)
    return skips, sum(operator != edge.none for edge, operator in kept)
