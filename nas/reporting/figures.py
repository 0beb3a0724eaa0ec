"""Figures as pages hold them: short, and none where there is no number."""

from __future__ import annotations

import math

DIGITS = 6
"""Significant digits."""


def shortened(value: float | None) -> float | None:
    """The figure in six digits; None for none, or for one that is not finite."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")
