"""How sure untrained attention is (Serianni & Kalita, Training-free NAS for RNNs and Transformers, 2023)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from nas.predicting.proxy import NotDefined, Proxy
from predictors.proxies.watching import Watch

SOURCE = "Serianni & Kalita, Training-free neural architecture search for RNNs and Transformers, 2023"
FITTING = ("synflow", "naswot", "jacob-cov", "snip")
PROJECTIONS = {F.linear, torch.conv1d, torch.conv2d, F.conv1d, F.conv2d}
SOFTMAXES = {F.softmax, torch.softmax, torch.Tensor.softmax}
PRODUCTS = {torch.matmul, torch.bmm, torch.Tensor.matmul, torch.Tensor.bmm, torch.Tensor.__matmul__, torch.einsum}


class AttentionConfidence(Proxy):
    """sum over queries, keys and values of mean over images and features of the maximum over the tokens.

    The outputs of the linear layers (or convolutions) that make queries, keys and values are found by following the tensors
    into the attention, so that names do not matter. A layer that makes all three counts three times: its features hold them
    in equal parts.
    """

    summary = "largest entries of queries, keys and values"
    source = SOURCE
    needs_data = True
    batch_statistics = False

    def measure(self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> float:
        """See `Proxy.measure`."""
        with torch.no_grad(), Following() as following:
            network(images)
        if not following.attended:
            raise NotDefined("attention-confidence", "it has no attention", *FITTING)
        return float(sum(count * following.confidences[index] for index, count in following.attended.items()))


class SoftmaxConfidence(Proxy):
    """sum over the softmaxes of attention of the mean of the maximum over the heads.

    Their outputs are (N, ..., heads, L, L); of fewer than four dimensions the maximum is over the second, as in the paper's
    code.
    """

    summary = "largest weights of attention"
    source = SOURCE
    needs_data = True
    batch_statistics = False

    def measure(self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> float:
        """See `Proxy.measure`."""
        found: list[float] = []

        def add(weights: torch.Tensor) -> None:
            if weights.ndim > 2:  # one over classes is no attention
                found.append(float(weights.amax(1 if weights.ndim == 3 else -3).double().mean()))

        with torch.no_grad(), Watch(softmax=add):
            network(images)
        if not found:
            raise NotDefined("softmax-confidence", "it has no attention with a softmax", *FITTING)
        return sum(found)


MARK = -1
"""In the place of a layer's number: the tensor holds weights of attention."""


class Following(TorchFunctionMode):
    """Inside, follows which linear layers' and convolutions' outputs go into attention.

    Attributes:
        confidences: of each such layer's output in the order of execution, the mean of the maximum over the tokens.
        attended: number of a layer -> how many of queries, keys and values it makes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.confidences: list[float] = []
        self.attended: Counter[int] = Counter()
        self._sources = WeakTensorKeyDictionary()

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run one function."""
        kwargs = kwargs or {}
        if func is F.multi_head_attention_forward:
            self._packed(*args, **kwargs)
        sources = self._arriving(func, args, kwargs)
        output = func(*args, **kwargs)
        if func in PROJECTIONS and output.ndim > 2:
            sources = Counter([self._layer(output if func is F.linear else output.flatten(2).mT)])
        elif func in SOFTMAXES and output.ndim > 2:
            self.attended += sources
            sources = Counter([MARK])
        for leaf in tree_leaves(output):
            if isinstance(leaf, torch.Tensor):
                self._sources[leaf] = sources
        return output

    def _arriving(self, func: Any, args: tuple[Any, ...], kwargs: Any) -> Counter[int]:
        """What goes into a function; of a product both sides count, of anything else what they share counts once."""
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        counts: list[Counter[int]] = [self._sources.get(tensor, Counter()) for tensor in given]
        found: Counter[int] = Counter()
        product = func in PRODUCTS or func is F.scaled_dot_product_attention
        for each in counts:
            found = found + each if product else found | each
        if func is F.scaled_dot_product_attention or (product and MARK in found):
            del found[MARK]
            self.attended += found
            return Counter()
        return found

    def _layer(self, output: torch.Tensor, tokens: int = -2) -> int:
        """Note the output of a layer, and return its number."""
        self.confidences.append(float(output.amax(tokens).double().mean()))
        return len(self.confidences) - 1

    def _packed(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        embed_dim_to_check: int,
        num_heads: int,
        in_proj_weight: torch.Tensor | None,
        in_proj_bias: torch.Tensor | None,
        *others: Any,
        **named: Any,
    ) -> None:
        """torch's own multi-head attention, (L, N, C), whose insides are one function."""
        given = (named.get(f"{name}_proj_weight") for name in "qkv") if in_proj_weight is None else in_proj_weight.chunk(3)
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        for tensor, weight, bias in zip((query, key, value), given, biases, strict=True):
            if weight is not None:
                self.attended += Counter([self._layer(F.linear(tensor, weight, bias), 0)])
