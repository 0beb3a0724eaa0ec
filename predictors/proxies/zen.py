"""The expressivity of a convolutional network with Gaussian weights."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.func import functional_call

from nas.predicting.proxy import NotDefined, Proxy
from predictors.proxies.watching import Watch
from predictors.proxies.weights import CONVOLUTIONS

OTHER_NORMS = (nn.modules.instancenorm._InstanceNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
"""Norms whose scale the score does not put back."""


class Zen(Proxy):
    """log E|f(x) - f(x + 0.01 e)| + sum over batch norms of log sqrt(mean running variance).

    Weights, x and e are standard normal; f are the maps before the last global average pool, and |.| the sum over a map.
    The batch norms' variances are those they have seen after both passes, which puts back the scale that they take away.

    Args:
        repeats: how often weights and images are drawn; the score is the mean (ZenNAS searches with 1).
        step: how far the second image lies from the first (0.01).
    """

    summary = "sensitivity of the last maps to the image, with random weights; needs no images"
    source = "Lin et al., Zen-NAS: a zero-shot NAS for high-performance image recognition, 2021"

    def __init__(self, repeats: int = 1, step: float = 0.01) -> None:
        self.repeats = repeats
        self.step = step

    def measure(
        self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """See `Proxy.measure`."""
        fitting = ("synflow", "snip", "attention-confidence")
        for name, module in network.named_modules():
            if isinstance(module, OTHER_NORMS):
                reason = f"{name} ({type(module).__name__}) takes the scale away, which only batch norms let the score put back"
                raise NotDefined("zen", reason, *fitting)
        if images.ndim != 4:
            raise NotDefined("zen", "it takes no images (N, C, H, W)", *fitting)
        with torch.no_grad():
            return torch.stack([self._once(network, images, generator) for _ in range(self.repeats)]).mean()

    def _once(self, network: nn.Module, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        norms = [name for name, module in network.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        # Nothing keeps the numbers small where there is no batch norm.
        dtype = torch.float32 if norms else torch.float64
        state = {name: tensor.to(images.device) for name, tensor in gaussian(network, generator, dtype)}
        first, noise = (torch.randn(images.shape, generator=generator, dtype=dtype).to(images.device) for _ in range(2))
        maps: list[torch.Tensor] = []
        seen: list[torch.Tensor] = []
        for given in (first, first + self.step * noise):
            with Watch(pooled=seen.append):
                functional_call(network, state, (given,))
            if not seen:
                raise NotDefined("zen", "it has no global average pool, before which the maps are read", "synflow", "naswot")
            maps.append(seen[-1])
            seen.clear()
        distance = (maps[0] - maps[1]).abs().flatten(1).sum(1, dtype=torch.float64).mean().log()
        variances = [state[f"{name}.running_var" if name else "running_var"] for name in norms]
        return distance + sum((variance.double().mean().log() / 2 for variance in variances), torch.zeros(()))


def gaussian(network: nn.Module, generator: torch.Generator, dtype: torch.dtype) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters and buffers: standard normal weights, biases 0, batch norms as torch makes them; others as they are."""
    for path, module in network.named_modules():
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, tensor in own:
            given = tensor.detach().clone()
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                given.fill_(1 if name in ("weight", "running_var") else 0)
            elif isinstance(module, CONVOLUTIONS | nn.Linear):
                given = torch.randn(tensor.shape, generator=generator) if name == "weight" else torch.zeros(tensor.shape)
            yield f"{path}.{name}" if path else name, given.to(dtype) if given.is_floating_point() else given
