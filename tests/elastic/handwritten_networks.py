"""Networks as people write them, without elastic layers, for images of 3 channels and 10 classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def conv_norm(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)
    )


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, projected where shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = conv_norm(inputs, outputs, 1, stride) if stride > 1 or inputs != outputs else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        y += x if self.shortcut is None else self.shortcut(x)
        return self.relu(y)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.norm1 = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(ResidualBlock(8, 8, 1), ResidualBlock(8, 8, 1))
        self.layer2 = nn.Sequential(ResidualBlock(8, 16, 2), ResidualBlock(16, 16, 1), ResidualBlock(16, 16, 1))
        self.average = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(F.relu(self.norm1(self.conv1(x)), inplace=True))
        return self.head(torch.flatten(self.average(self.layer2(self.layer1(x))), 1))


class DenseLayer(nn.Module):
    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, 2 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(2 * growth), nn.Conv2d(2 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(x))))))


class DenseNet(nn.Module):
    """Each layer reads all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.block1 = nn.ModuleList(DenseLayer(8 + 4 * i, 4) for i in range(3))
        self.between = nn.Sequential(nn.BatchNorm2d(20), nn.ReLU(), nn.Conv2d(20, 10, 1, bias=False), nn.AvgPool2d(2))
        self.block2 = nn.ModuleList(DenseLayer(10 + 4 * i, 4) for i in range(2))
        self.norm = nn.BatchNorm2d(18)
        self.head = nn.Linear(18, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        features = [x]
        for layer in self.block1:
            features.append(layer(torch.cat(features, 1)))
        x = self.between(torch.cat(features, 1))
        for layer in self.block2:
            x = torch.cat([x, layer(x)], 1)
        return self.head(F.adaptive_avg_pool2d(F.relu(self.norm(x)), (1, 1)).view(x.size(0), -1))


class SqueezeExcite(nn.Module):
    """As it is written with linear layers and view."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.layers = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, c, _, _ = x.size()
        return x * self.layers(self.pool(x).view(n, c)).view(n, c, 1, 1)


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, expand: int, kernel: int, stride: int, squeeze: bool) -> None:
        super().__init__()
        middle = inputs * expand
        self.expand = nn.Sequential(conv_norm(inputs, middle), nn.Hardswish())
        self.depthwise = nn.Sequential(conv_norm(middle, middle, kernel, stride, middle), nn.Hardswish())
        self.squeeze = SqueezeExcite(middle, 4) if squeeze else nn.Identity()
        self.project = conv_norm(middle, outputs)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.project(self.squeeze(self.depthwise(self.expand(x))))
        return x + y if self.residual else y


class MobileNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv_norm(3, 8, 3, 2),
            nn.ReLU6(),
            InvertedResidual(8, 8, 2, 3, 1, squeeze=False),
            InvertedResidual(8, 12, 3, 5, 2, squeeze=True),
            InvertedResidual(12, 12, 3, 5, 1, squeeze=True),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(12, 24), nn.PReLU(24), nn.Linear(24, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).mean([2, 3]))


class Inception(nn.Module):
    """Branches side by side, gated over all of their channels, then a grouped and a depthwise convolution on them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 2, 2), nn.GroupNorm(4, 8), nn.PReLU(8))
        self.one = nn.Conv2d(8, 4, 1)
        self.three = nn.Sequential(nn.Conv2d(8, 6, 1), nn.ReLU(), nn.Conv2d(6, 8, (1, 3), padding=(0, 1)))
        self.five = nn.Conv2d(8, 4, 5, padding=2)
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(8, 4, 1))
        self.gate = SqueezeExcite(20, 6)
        self.norm = nn.BatchNorm2d(20)
        self.depthwise = nn.Conv2d(20, 20, 3, padding=2, dilation=2, groups=20)
        self.act = nn.PReLU(20)
        self.last = nn.Conv2d(20, 12, 3, 2, padding=1)
        self.head = nn.Conv2d(12, 10, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = torch.cat((self.one(x), self.three(x), self.five(x), self.pooled(x)), dim=1)
        x = self.act(self.depthwise(self.norm(self.gate(x))))
        return self.head(F.relu(self.last(x))).mean((2, 3))


class UNet(nn.Module):
    """Down, up, and a concatenation with what went by."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Sequential(conv_norm(3, 8, 3), nn.ReLU())
        self.down = nn.Sequential(conv_norm(8, 12, 3, 2), nn.ReLU())
        self.bottom = nn.Sequential(conv_norm(12, 12, 3, 2), nn.ReLU())
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.merge = nn.Sequential(conv_norm(24, 8, 3), nn.ReLU())
        self.leave = nn.Conv2d(16, 10, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.enter(x)
        second = self.down(first)
        third = self.up(self.bottom(second))
        merged = self.merge(torch.cat([second, third], dim=1))
        merged = F.interpolate(merged, size=first.shape[-2:], mode="bilinear", align_corners=False)
        return self.leave(torch.cat([merged, first], 1)).flatten(2).mean(-1)


class Flattened(nn.Module):
    """Maps of more than one pixel, flattened into linear layers, as in AlexNet and VGG."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 5, stride=4), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(3)
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(72, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 10)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.pool(self.features(x)))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, length, width = x.shape
        q, k, v = self.qkv(x).reshape(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.project(y.transpose(1, 2).reshape(n, length, width))


class TransformerBlock(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, 2)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.LayerNorm(hidden, bias=False), nn.Linear(hidden, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.position = nn.Parameter(torch.randn(1, 17, 8))
        self.blocks = nn.Sequential(TransformerBlock(8, 16), TransformerBlock(8, 16), TransformerBlock(8, 16))
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


class MixerBlock(nn.Module):
    """Mixes channels only, over (N, L, C)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 2 * hidden), nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = self.up(self.norm(x)).chunk(2, dim=-1)
        return x + self.down(first * torch.sigmoid(second))


class GatedMixer(nn.Module):
    """Gated linear units: one linear layer makes two halves that are multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.blocks = nn.Sequential(MixerBlock(8, 12), MixerBlock(8, 12))
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).permute(0, 2, 1)
        return self.head(self.norm(self.blocks(x)).mean(1))


class ResNeXt(nn.Module):
    """Grouped convolutions between ordinary ones, with group norms."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.reduce = nn.Sequential(nn.Conv2d(8, 16, 1), nn.GroupNorm(1, 16), nn.ReLU())
        self.grouped = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, groups=4), nn.GroupNorm(8, 16), nn.ReLU())
        self.widen = nn.Conv2d(16, 24, 3, 2, 1, groups=8, bias=False)
        self.expand = nn.Sequential(nn.BatchNorm2d(24, momentum=None), nn.Conv2d(24, 8, 1), nn.BatchNorm2d(8, affine=False))
        self.head = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        y = self.expand(self.widen(self.grouped(self.reduce(x))))
        return self.head((F.avg_pool2d(x, 2) + y).mean((-2, -1)))


def trained(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with every parameter and statistic away from its initial value, in evaluation."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    noise = torch.randn(parameter.shape, generator=generator)
                    if parameter.dim() > 1:
                        parameter.copy_(noise * (2.0 / parameter[0].numel()) ** 0.5)
                    else:
                        parameter.copy_(noise * 0.1 + (name == "weight"))
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator) * 0.1)
                module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
    return network.eval()
