"""Proxies from the derivative of the scores by the images."""

from __future__ import annotations

import torch
from torch import nn

from nas.predicting.proxy import NotDefined, Proxy
from predictors.proxies.correlation import SMALL, correlations, diversity

MANY = 100
"""With more classes than this EPE-NAS compares the classes with each other."""


def jacobian(network: nn.Module, images: torch.Tensor, proxy: str) -> tuple[torch.Tensor, int]:
    """Derivative of the sum of all scores by each image, (N, D), and the number of scores of an image.

    Raises:
        NotDefined: the network takes tokens.
    """
    if not images.is_floating_point():
        raise NotDefined(proxy, "it takes tokens, which have no derivative", "snip", "grad-norm", "hidden-covariance")
    images = images.detach().clone().requires_grad_()
    scores = network(images)
    if not scores.requires_grad:
        return torch.zeros_like(images).flatten(1), scores.shape[1]
    (found,) = torch.autograd.grad(scores.sum(), images, allow_unused=True)
    return (torch.zeros_like(images) if found is None else found).flatten(1), scores.shape[1]


class JacobCov(Proxy):
    """-sum(log(v + k) + 1 / (v + k)) over the eigenvalues v of the correlations between the images' derivatives, k = 1e-5.

    Mellor et al.'s first version; -inf for a network whose scores do not depend on some image.
    """

    summary = "how differently the network responds to different images"
    source = "Mellor et al., Neural architecture search without training, version 1, 2020"
    needs_data = True

    def measure(self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> float:
        """See `Proxy.measure`."""
        return diversity(jacobian(network, images, "jacob-cov")[0])


class EpeNas(Proxy):
    """The correlations of the images' derivatives, class by class.

    For a class c with correlations M_c, E_c = sum log(|M_c| + 1e-5). The score is sum |E_c|; of more than 100 classes it is
    the sum over pairs of classes of |E_c - E_c'|, each E_c divided by the images of its class, over the number of classes in
    the batch.
    """

    summary = "how alike the responses to images of one class are"
    source = "Lopes et al., EPE-NAS: efficient performance estimation without training, 2021"
    needs_labels = True
    needs_data = True

    def measure(self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> float:
        """See `Proxy.measure`. Raises NotDefined where every image has a class of its own: all networks then score the same."""
        if len(targets.unique()) == len(targets):
            raise NotDefined("epe-nas", "no class has two images in the batch: take more images", "jacob-cov", "naswot")
        rows, classes = jacobian(network, images, "epe-nas")
        found = correlations(rows)
        if found is None:
            return -torch.inf
        logs = (found.abs() + SMALL).log()
        members = [torch.nonzero(targets == label)[:, 0] for label in targets.unique()]
        sums = torch.stack([logs[chosen][:, chosen].sum() for chosen in members])
        if classes <= MANY:
            return float(sums.abs().sum())
        means = sums / torch.tensor([len(chosen) for chosen in members], device=sums.device)
        return float((means[:, None] - means).abs().sum() / len(means))
