"""The second-order architecture gradient (Liu et al., DARTS: Differentiable architecture search, 2019).

The loss on held images is taken at the weights that one training step from here would reach, w' = w - rate * step(w, alpha),
and depends on alpha through them, too. That part is the product of a second derivative and a vector, which two gradients at
w + R v and w - R v give to the order of R^2 (v = dL_held/dw', R = epsilon / |v|). Weights are exchanged in place: the network
is never copied.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch

from nas.training.differentiable.parameters import frozen
from nas.training.parallel.ranks import Ranks

Loss = Callable[[], torch.Tensor]
"""One forward pass with the weights and architecture parameters as they are at the moment -> scalar."""

Tensors = Sequence[torch.Tensor]


def unrolled_gradients(
    alphas: Tensors,
    optimiser: torch.optim.SGD,
    training_loss: Loss,
    held_loss: Loss,
    epsilon: float = 0.01,
    ranks: Ranks | None = None,
) -> list[torch.Tensor]:
    """The gradient of the held loss after one step of the weights, with respect to each of the architecture parameters.

    Args:
        optimiser: of the weights; its momentum buffers count as zero where there are none yet.
        epsilon: how far the finite difference moves the weights, as a Euclidean distance.
        ranks: processes that each see a part of the batches.
    """
    ranks = ranks or Ranks()
    weights = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    with frozen(alphas):
        first = _gradients(training_loss, weights, repeatable=True)
    ranks.average(first)
    originals = [weight.data for weight in weights]
    with exchanged(weights, ahead(optimiser, first)):
        gradients = _gradients(held_loss, [*alphas, *weights])
    ranks.average(gradients)
    of_alphas, vector = gradients[: len(alphas)], gradients[len(alphas) :]
    length = torch.stack(torch._foreach_norm(vector)).norm()
    if length == 0:
        return of_alphas
    radius = float(epsilon / length)
    sides = []
    for sign in (1.0, -1.0):
        moved = torch._foreach_add(originals, vector, alpha=sign * radius)
        with exchanged(weights, moved), frozen(weights):
            sides.append(_gradients(training_loss, alphas, repeatable=True))
        ranks.average(sides[-1])
    rate = optimiser.param_groups[0]["lr"]
    return [direct - rate * (plus - minus) / (2 * radius) for direct, plus, minus in zip(of_alphas, *sides, strict=True)]


def ahead(optimiser: torch.optim.SGD, gradients: Tensors) -> list[torch.Tensor]:
    """Where one step of the optimiser would take its parameters, in its order; nothing is changed."""
    found, rest = [], iter(gradients)
    for group in optimiser.param_groups:
        momentum, rate = group["momentum"], group["lr"]
        for weight in group["params"]:
            step = next(rest).add(weight.detach(), alpha=group["weight_decay"])
            buffer = optimiser.state[weight].get("momentum_buffer") if momentum else None
            gathered = step if buffer is None else step.add(buffer, alpha=momentum)
            step = step.add(gathered, alpha=momentum) if group["nesterov"] else gathered
            found.append(weight.detach().add(step, alpha=-rate))
    return found


@contextlib.contextmanager
def exchanged(weights: Tensors, others: Tensors) -> Iterator[None]:
    """Inside, the weights are other tensors; after it they are the very ones they were."""
    own = [weight.data for weight in weights]
    _exchange(weights, others)
    try:
        yield
    finally:
        _exchange(weights, own)


def _exchange(weights: Tensors, others: Tensors) -> None:
    for weight, other in zip(weights, others, strict=True):
        weight.data = other


def _gradients(loss: Loss, of: Tensors, repeatable: bool = False) -> list[torch.Tensor]:
    """Gradients of one pass, zeros for what it does not use.

    Args:
        repeatable: whether torch's generators are put back after it, so that the next pass drops out the same.
    """
    devices = list({tensor.device for tensor in of if tensor.device.type == "cuda"})
    with torch.random.fork_rng(devices, enabled=repeatable):
        found = torch.autograd.grad(loss(), list(of), allow_unused=True)
    return [torch.zeros_like(tensor) if part is None else part for tensor, part in zip(of, found, strict=True)]
