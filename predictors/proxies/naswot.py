"""How many pieces of a piecewise linear network tell the images apart."""

from __future__ import annotations

import torch
from torch import nn

from nas.predicting.proxy import NotDefined, Proxy
from predictors.proxies.watching import Watch


class Naswot(Proxy):
    """log |det K| where K counts, for two images, the rectifiers whose inputs have the same sign for both.

    For every rectifier's input x with c = 1[x > 0], flattened, K adds c c^T + (1 - c)(1 - c)^T. Rectifiers are ReLU, ReLU6,
    leaky ReLU and PReLU; other activations of the network are left out. -inf where two images are not told apart.
    """

    summary = "how well the ReLUs' signs tell images apart"
    source = "Mellor et al., Neural architecture search without training, 2021"
    needs_data = True

    def measure(self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> float:
        """See `Proxy.measure`."""
        count = len(images)
        kernel = torch.zeros(count, count, dtype=torch.float64, device=images.device)
        watched = units = 0

        def add(arriving: torch.Tensor) -> None:
            nonlocal watched, units, kernel
            if len(arriving) != count:
                raise NotDefined("naswot", "a ReLU's input does not begin with the batch", "synflow", "jacob-cov")
            watched += 1
            codes = (arriving > 0).flatten(1).float()
            units += codes.shape[1]
            ones = codes.sum(1).double()
            kernel += 2 * (codes @ codes.T).double() - ones[:, None] - ones + codes.shape[1]

        with torch.no_grad(), Watch(rectified=add):
            network(images)
        if not watched:
            raise NotDefined(
                "naswot", "it has no ReLU, and its activations have no linear pieces", "synflow", "jacob-cov", "snip"
            )
        if (kernel.fill_diagonal_(-1.0) == units).any():
            # Two equal rows: the determinant is 0, and rounding would make something of it.
            return -torch.inf
        return float(torch.linalg.slogdet(kernel.fill_diagonal_(units)).logabsdet)
