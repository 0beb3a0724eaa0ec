"""Architecture parameters, and tensors that an architecture step leaves alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from nas.base.seeds import integer_seed


class Vectors(nn.Module):
    """One vector of parameters for each edge, or for each node, drawn from a normal distribution.

    Args:
        sizes: of the vectors.
        std: standard deviation of the first values.
        stream: names the random numbers.
    """

    def __init__(self, sizes: Sequence[int], std: float, seed: int, stream: str) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(integer_seed(seed, stream))
        self.vectors = nn.ParameterList(nn.Parameter(std * torch.randn(size, generator=generator)) for size in sizes)

    def values(self) -> list[torch.Tensor]:
        """The vectors; gradients reach them."""
        return list(self.vectors)


@contextlib.contextmanager
def frozen(parameters: Sequence[torch.Tensor]) -> Iterator[None]:
    """Inside, the parameters need no gradients, so that no pass computes or keeps anything for them."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
