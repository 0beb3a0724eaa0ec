"""Small networks for the tests of proxies, and what is shared in scoring them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from nas.predicting.proxy import Proxy

CLASSES = 3


class Convolutional(nn.Module):
    """Two convolutions, one with ReLU as a module and in place, one as a function; global pool; linear."""

    def __init__(self, norm: bool = True, classes: int = CLASSES) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.first_norm = nn.BatchNorm2d(4) if norm else nn.Identity()
        self.act = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 6, 3, stride=2, groups=2, bias=False)
        self.second_norm = nn.BatchNorm2d(6) if norm else nn.Identity()
        self.drop = nn.Dropout(0.5)
        self.linear = nn.Linear(6, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.first_norm(self.first(x)))
        x = F.relu(self.second_norm(self.second(x)))
        return self.linear(self.drop(x.mean((2, 3))))


class Attending(nn.Module):
    """Tokens of 4 features through one attention with two heads, written as asked: 'separate', 'fused', 'sdpa' or 'torch'."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.whole = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = images.flatten(2).mT  # (N, L, 4)
        if self.kind == "torch":
            mixed = self.whole(x, x, x, need_weights=False)[0]
        else:
            weight, bias = self.whole.in_proj_weight, self.whole.in_proj_bias
            if self.kind == "fused":
                parts = F.linear(x, weight, bias).chunk(3, -1)
            else:
                parts = tuple(F.linear(x, w, b) for w, b in zip(weight.chunk(3), bias.chunk(3), strict=True))
            q, k, v = (part.unflatten(-1, (2, 2)).transpose(1, 2) for part in parts)
            y = F.scaled_dot_product_attention(q, k, v) if self.kind == "sdpa" else ((q * 2**-0.5) @ k.mT).softmax(-1) @ v
            mixed = self.whole.out_proj(y.transpose(1, 2).flatten(2))
        return self.head(F.gelu(self.norm(x + mixed)).mean(1))


class Recurrent(nn.Module):
    """Rows of an image as a sequence, an LSTM of two layers, and the last state."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(8, 5, num_layers=2, batch_first=True)
        self.head = nn.Linear(5, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(images.transpose(1, 2).flatten(2))[0][:, -1])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(count: int = 8, channels: int = 2, side: int = 5, classes: int = CLASSES) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = torch.Generator().manual_seed(5)
    return torch.randn(count, channels, side, side, generator=drawn), torch.arange(count) % classes


def made(kind: type[nn.Module], *args: object, **named: object) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return kind(*args, **named)


def scored(proxy: Proxy, network: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> float:
    return proxy.score(network, images, targets, seeded())
