"""What small networks learn from the large one by."""

from __future__ import annotations

import math

import pytest
import torch

from nas.training.nested.divergence import adaptive_alpha_divergence, alpha_divergence, soft_cross_entropy

GENERATOR = torch.Generator().manual_seed(5)
SCORES = torch.randn((6, 5), generator=GENERATOR, dtype=torch.float64) * 2
TEACHER = torch.randn((6, 5), generator=GENERATOR, dtype=torch.float64) * 2
Q, P = SCORES.softmax(1), TEACHER.softmax(1)


def plain_divergence(scores: torch.Tensor, p: torch.Tensor, alpha: float) -> torch.Tensor:
    """The textbook's alpha-divergence of each example, unclipped."""
    q = scores.softmax(1)
    if alpha == 1.0:
        return (p * (p / q).log()).sum(1)
    if alpha == 0.0:
        return (q * (q / p).log()).sum(1)
    return (q * ((p / q) ** alpha - 1)).sum(1) / (alpha * (alpha - 1))


def test_soft_cross_entropy_is_minus_sum_p_log_q() -> None:
    expected = sum(-(P[n, c] * Q[n, c].log()).item() for n in range(6) for c in range(5)) / 6
    assert float(soft_cross_entropy(SCORES, TEACHER)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("alpha", [-1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
def test_the_surrogate_has_the_divergence_s_gradient(alpha: float) -> None:
    """Where no weight is clipped, autograd through the textbook's formula gives the same gradient."""
    ours, theirs = (SCORES.clone().requires_grad_() for _ in range(2))
    value, loss = alpha_divergence(ours.log_softmax(1), P.log(), alpha, clip=1e30)
    plain = plain_divergence(theirs, P, alpha)
    torch.testing.assert_close(value, plain.detach(), rtol=1e-10, atol=1e-12)
    loss.sum().backward()
    plain.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-12)
    assert not value.requires_grad


def test_alpha_one_is_ordinary_soft_cross_entropy() -> None:
    _, loss = alpha_divergence(SCORES.log_softmax(1), P.log(), 1.0, clip=5.0)
    torch.testing.assert_close(loss, -(P * Q.log()).sum(1), rtol=1e-12, atol=0)


def test_alpha_minus_one_has_its_clipped_factor() -> None:
    """rho = -min(q / p, 5) + 1/2, and the value compares min((p / q)^-1, 5)."""
    ratio = Q / P
    assert (ratio > 5).any()
    assert (ratio < 5).any()
    value, loss = alpha_divergence(SCORES.log_softmax(1), P.log(), -1.0, clip=5.0)
    clipped = ratio.clamp(max=5.0)
    torch.testing.assert_close(loss, -(Q * (-clipped + 0.5) * Q.log()).sum(1), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(value, (Q * (clipped - 1)).sum(1) / 2, rtol=1e-12, atol=1e-14)


def test_the_gradient_takes_the_clipped_factor_as_constant() -> None:
    scores = SCORES.clone().requires_grad_()
    alpha_divergence(scores.log_softmax(1), P.log(), -1.0, clip=5.0)[1].sum().backward()
    weight = Q * (-(Q / P).clamp(max=5.0) + 0.5)
    # d(-sum w log q)/ds = -w + q sum w for constants w
    torch.testing.assert_close(scores.grad, -weight + Q * weight.sum(1, keepdim=True), rtol=1e-10, atol=1e-12)


def test_each_example_takes_the_larger_divergence() -> None:
    """A teacher that is sure where the student is not, and the other way round."""
    sure, unsure = [6.0, 0.0, 0.0], [0.1, 0.0, 0.0]
    scores = torch.tensor([unsure, sure], dtype=torch.float64)
    teacher = torch.tensor([sure, unsure], dtype=torch.float64)
    q, p = scores.log_softmax(1), teacher.log_softmax(1)
    left, left_loss = alpha_divergence(q, p, -1.0, 5.0)
    right, right_loss = alpha_divergence(q, p, 1.0, 5.0)
    chosen = (left > right).tolist()
    assert sorted(chosen) == [False, True], "the example tests both ways"
    expected = sum((left_loss if is_left else right_loss)[n].item() for n, is_left in enumerate(chosen)) / 2
    assert float(adaptive_alpha_divergence(scores, teacher)) == pytest.approx(expected, rel=1e-12)


def test_extreme_scores_stay_finite() -> None:
    scores = torch.tensor([[200.0, 0.0, -200.0]], requires_grad=True)
    teacher = torch.tensor([[-200.0, 0.0, 200.0]])
    for alpha_min, alpha_max in ((-1.0, 1.0), (0.0, 2.0), (-2.0, 0.5)):
        loss = adaptive_alpha_divergence(scores, teacher, alpha_min, alpha_max)
        (gradient,) = torch.autograd.grad(loss, scores)
        assert math.isfinite(loss.item())
        assert gradient.isfinite().all()


def test_halves_are_compared_in_single_precision() -> None:
    loss = adaptive_alpha_divergence(SCORES.bfloat16(), TEACHER.bfloat16())
    assert loss.dtype == torch.float32
    assert soft_cross_entropy(SCORES.bfloat16(), TEACHER.bfloat16()).dtype == torch.float32
