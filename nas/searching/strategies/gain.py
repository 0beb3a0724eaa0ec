"""Which candidates would add most to a front."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nas.searching.arrays.sorting import best, undominated

Values = npt.NDArray[np.float64]
"""(N, M), larger is better."""

LOOKED_AT = 100
"""Candidates whose gain is worked out, the best by front and crowding; each takes a hypervolume."""

BEYOND = 0.1
"""How far below the worst of the front's figures the volume begins, as a share of their range; without it a candidate beyond an
end of the front would add nothing."""


def by_gain(known: Values, predicted: Values, count: int) -> npt.NDArray[np.int64]:
    """Positions of `count` candidates: each adds most to the hypervolume of the known front and of those chosen before it.

    A front's ends alone, which crowding prefers, would be asked for again and again (Emmerich et al., Single- and
    multiobjective evolutionary optimization assisted by Gaussian random field metamodels, 2006, choose by the gain).

    Args:
        known: what was evaluated.
        predicted: of the candidates.
    """
    from pymoo.indicators.hv import HV

    looked = best(predicted, LOOKED_AT)
    front = known[undominated(known)]
    both = np.concatenate([front, predicted[looked]])
    low, high = both.min(axis=0), both.max(axis=0)
    spread = np.where(high > low, high - low, 1.0)
    volume = HV(ref_point=np.full(known.shape[1], BEYOND))

    def costs(values: Values) -> Values:
        found: Values = (low - values) / spread
        return found

    members, candidates = costs(front), costs(predicted[looked])
    chosen: list[int] = []
    for _ in range(min(count, len(looked))):
        gains = np.array([float(volume(np.vstack([members, one]))) for one in candidates])
        gains[chosen] = -np.inf
        chosen.append(int(gains.argmax()))
        members = np.vstack([members, candidates[chosen[-1]]])
    return looked[chosen]
