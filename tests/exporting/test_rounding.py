"""The error of single precision, and what it explains."""

from __future__ import annotations

import pytest
import torch

from nas.exporting import rounding_error, tolerated


class Lossy(torch.nn.Module):
    """Adds a number and takes it away again: near 8192 a float32 is a multiple of 2^-10."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + 8192.0 - 8192.0


def test_the_error_is_the_largest_of_all_inputs() -> None:
    kept, lost = torch.full((2, 3), 2.0**-9), torch.full((1, 3), 2.0**-12)
    assert rounding_error(Lossy(), [kept], least=1.0) == 0.0
    assert rounding_error(Lossy(), [lost, kept], least=1.0) == 2.0**-12
    assert rounding_error(Lossy(), [lost], least=1e-30) == 1.0, "relative to the scores, all of it is lost"


def test_scores_above_the_least_are_what_the_error_is_relative_to() -> None:
    images = torch.tensor([[1024.0, 2.0**-12]])
    assert rounding_error(Lossy(), [images], least=1.0) == 2.0**-22


def test_the_network_is_left_in_single_precision() -> None:
    network = torch.nn.Linear(3, 2).requires_grad_(True)
    assert 0.0 < rounding_error(network, [torch.ones(1, 3) / 3], least=1.0) < 1e-6
    assert network.weight.dtype == torch.float32


def test_what_cannot_run_in_double_has_no_known_error() -> None:
    class Fixed(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images @ torch.ones(3, 2)

    assert rounding_error(Fixed(), [torch.ones(1, 3)], least=1.0) == 0.0


def test_more_than_the_tolerance_is_accepted_where_rounding_is_larger() -> None:
    assert tolerated(1e-4, 0.0) == 1e-4
    assert tolerated(1e-4, 1e-6) == 1e-4
    assert tolerated(1e-4, 1e-3) == pytest.approx(1e-2)
