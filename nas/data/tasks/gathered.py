"""A meter for figures that need all outputs at once."""

from __future__ import annotations

from collections.abc import Callable

import torch

Figures = Callable[[torch.Tensor, torch.Tensor], dict[str, float]]
"""Outputs and targets of all images, float32 (N, outputs) on the processor -> figures by name."""


class Gathered:
    """Keeps the outputs of all batches."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._scores: list[torch.Tensor] = []
        self._targets: list[torch.Tensor] = []

    def add(self, scores: torch.Tensor, targets: torch.Tensor) -> None:
        """See `Meter`."""
        self._scores.append(scores.float().cpu())
        self._targets.append(targets.float().cpu())

    def result(self) -> dict[str, float]:
        """See `Meter`."""
        return self._figures(torch.cat(self._scores), torch.cat(self._targets))
