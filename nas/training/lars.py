"""Layer-wise adaptive rate scaling."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch


class Lars(torch.optim.Optimizer):
    """SGD with momentum whose rate is scaled for each tensor by trust * |w| / (|g| + weight_decay * |w|).

    You et al., Large batch training of convolutional networks, 2017, algorithm 1. Tensors of one dimension (biases, scales of
    norms) take the plain rate and no decay, as usual with large batches; so do tensors whose weights or gradients are zero.
    """

    def __init__(self, params: Iterable[Any], lr: float, momentum: float = 0.9, weight_decay: float = 0.0, trust: float = 1e-3):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters that have a gradient."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                update = parameter.grad
                if parameter.ndim > 1:
                    size, slope = parameter.norm(), update.norm()
                    scale = group["trust"] * size / (slope + group["weight_decay"] * size)
                    scale = torch.where((size > 0) & (slope > 0), scale, torch.ones_like(scale))
                    update = (update + group["weight_decay"] * parameter) * scale
                state = self.state[parameter]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                state["momentum_buffer"].mul_(group["momentum"]).add_(update, alpha=group["lr"])
                parameter.sub_(state["momentum_buffer"])
        return loss
