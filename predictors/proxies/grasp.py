"""How taking weights away changes the flow of gradients."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from nas.predicting.proxy import NotDefined, Proxy
from predictors.proxies.weights import gradients, loss, weights


class Grasp(Proxy):
    """sum -w (H g), of the gradient g and the Hessian H of the loss; temperature 1, one pass (Abdelfattah et al., 2021)."""

    summary = "effect of taking weights away on the norm of the gradient"
    source = "Wang et al., GraSP, 2020"
    needs_labels = True
    needs_data = True

    def measure(
        self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """See `Proxy.measure`."""
        at = weights(network, "grasp")
        with DerivedTwice():
            first = gradients(loss(network, images, targets), at, graph=True)
        product = torch.stack([(g.detach() * g).sum() for g in first]).sum()
        try:
            second = gradients(product, at)
        except RuntimeError as error:
            if "derivative" not in str(error):
                raise
            raise NotDefined("grasp", f"no second derivative ({error})", "snip", "grad-norm", "synflow") from error
        return -torch.stack([(w.detach().double() * hg.double()).sum() for w, hg in zip(at, second, strict=True)]).sum()


class DerivedTwice(TorchFunctionMode):
    """Inside, the hard sigmoid, whose second derivative torch lacks, is the same function made of others."""

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run one function."""
        return F.relu6(args[0] + 3) / 6 if func is F.hardsigmoid else func(*args, **(kwargs or {}))
