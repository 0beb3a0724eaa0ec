"""Which learning rates and penalties a predictor can be trained with."""

from __future__ import annotations

import math

from nas.base.errors import NasError


def require_rates(predictor: str, rate: float, decay: float = 0.0, dropout: float = 0.0) -> None:
    """Raise NasError for a learning rate that is not above 0, a weight decay below 0, or drop-out outside of [0, 1)."""
    if not (math.isfinite(rate) and rate > 0 and math.isfinite(decay) and decay >= 0 and 0 <= dropout < 1):
        raise NasError(
            f"predictor '{predictor}' needs a rate above 0, a decay of at least 0 and 0 <= dropout < 1; given rate={rate:g}, "
            f"decay={decay:g}, dropout={dropout:g}"
        )
