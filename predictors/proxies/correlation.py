"""How different rows are, by the eigenvalues of their correlations."""

from __future__ import annotations

import torch

SMALL = 1e-5
"""Added to eigenvalues and correlations before logarithms and reciprocals (Mellor et al., 2021)."""


def correlations(rows: torch.Tensor) -> torch.Tensor | None:
    """Pearson's correlations (N, N) of rows (N, D) in double precision; None where a row does not vary, and has none."""
    rows = rows.detach().double()
    centred = rows - rows.mean(1, keepdim=True)
    lengths = centred.norm(dim=1, keepdim=True)
    # A constant row is left with rounding errors, which correlate by chance.
    if bool((lengths <= 1e-12 * rows.norm(dim=1, keepdim=True)).any()):
        return None
    unit = centred / lengths
    found: torch.Tensor = unit @ unit.T
    return found.clamp(-1, 1)


def diversity(rows: torch.Tensor) -> float:
    """-sum(log(v + k) + 1 / (v + k)) over the eigenvalues v of the correlations of rows (N, D), k = 1e-5.

    It is the larger the less alike the rows are; -inf where a row does not vary.
    """
    found = correlations(rows)
    if found is None:
        return -torch.inf
    values = torch.linalg.eigvalsh(found).clamp(min=0) + SMALL
    return -float((values.log() + 1 / values).sum())
