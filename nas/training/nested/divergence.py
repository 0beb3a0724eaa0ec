"""How far a small network's answers are from a large one's: what in-place distillation minimises."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F


def soft_cross_entropy(scores: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """-sum p log q, mean over the batch: the Kullback-Leibler divergence of q from p, up to the entropy of p.

    Args:
        scores: (N, classes) of the learning network, whose softmax is q.
        teacher: (N, classes) scores, detached, whose softmax is p.
    """
    return F.cross_entropy(_precise(scores), _precise(teacher).softmax(1))


def adaptive_alpha_divergence(
    scores: torch.Tensor, teacher: torch.Tensor, alpha_min: float = -1.0, alpha_max: float = 1.0, clip: float = 5.0
) -> torch.Tensor:
    """The loss of Wang et al., AlphaNet, 2021: for each example whichever of two alpha-divergences is larger.

    A negative alpha punishes a q that is too flat, a positive one a q that misses a mode of p. What is returned is a
    surrogate whose gradient is the clipped divergence's: -sum q rho log q with q and rho held constant but in the logarithm.

    Args:
        scores: (N, classes) of the learning network.
        teacher: (N, classes) scores, detached.
        clip: bound on the importance weights.

    Returns:
        A scalar, the mean over the batch.
    """
    log_q = _precise(scores).log_softmax(1)
    log_p = _precise(teacher.detach()).log_softmax(1)
    left, left_loss = alpha_divergence(log_q, log_p, alpha_min, clip)
    right, right_loss = alpha_divergence(log_q, log_p, alpha_max, clip)
    return torch.where(left > right, left_loss, right_loss).mean()


def alpha_divergence(log_q: torch.Tensor, log_p: torch.Tensor, alpha: float, clip: float) -> tuple[torch.Tensor, torch.Tensor]:
    """One alpha-divergence of each example, and the surrogate loss with its gradient.

    Args:
        log_q, log_p: (N, classes) logarithms of probabilities; gradients flow through log_q in the second result alone.

    Returns:
        Two tensors (N,): values to compare, without gradient, and losses.
    """
    fixed = log_q.detach()
    q, p, log_ratio = fixed.exp(), log_p.exp(), log_p - fixed
    if alpha == 1.0:  # Kullback-Leibler; p is q times the ratio, and no weight is clipped
        return (p * log_ratio).sum(1), -(p * log_q).sum(1)
    if alpha == 0.0:  # its reverse
        clipped = log_ratio.clamp(max=math.log(clip))
        return -(q * clipped).sum(1), -(q * (clipped - 1.0) * log_q).sum(1)
    weight = (alpha * log_ratio).clamp(max=math.log(clip)).exp()
    scale = 1.0 / (alpha * (alpha - 1.0))
    value = scale * (q * (weight - 1.0)).sum(1)
    return value, -(q * (weight / alpha + scale) * log_q).sum(1)


def _precise(scores: torch.Tensor) -> torch.Tensor:
    """At least float32: halves have too few digits for logarithms of small probabilities."""
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


def soft_binary_cross_entropy(scores: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """The same for labels that are there or not, each by itself: -p log q - (1 - p) log(1 - q), with sigmoids; the mean."""
    return F.binary_cross_entropy_with_logits(_precise(scores), _precise(teacher).sigmoid())


def squared_distance(scores: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """The same for numbers: the mean squared difference."""
    return F.mse_loss(_precise(scores), _precise(teacher))


DISTANCES: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "classification": soft_cross_entropy,
    "multi-label": soft_binary_cross_entropy,
    "regression": squared_distance,
}
"""What makes a small network answer like a large one, by the kind of task."""
