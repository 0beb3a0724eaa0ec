"""What cannot be made elastic is an error that names the place and the reason, or is left alone and reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from conversion_checks import images, space_of
from handwritten_networks import GatedMixer, Inception, ResNet, ResNeXt, VisionTransformer
from torch import nn

from nas.base.errors import NasError
from nas.choices import Choice
from nas.elastic import ElasticLinear, from_module
from nas.supernet import Task


class Small(nn.Module):
    """A stem, whatever is between, a head."""

    def __init__(self, between: Callable[[torch.Tensor], torch.Tensor] | nn.Module | None = None, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.between = between or nn.Identity()
        self.last = nn.Conv2d(width, 6, 3, padding=1)
        self.head = nn.Linear(6, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.last(self.between(self.stem(x))).mean((2, 3)))


class Wrapped(nn.Module):
    """A function as a module that the tracer follows."""

    def __init__(self, function: Callable[..., torch.Tensor], **tensors: torch.Tensor) -> None:
        super().__init__()
        self.function = function
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self, x)


RESNET: list[tuple[dict[str, Any], str]] = [
    ({"widths": {"head": (5, 10)}}, "head cannot change: it is the network's output"),
    ({"widths": {"layer1": (4, 8)}}, r"'layer1' is a Sequential.*'layer1\.\*'"),
    ({"widths": {"layer3.0.conv1": (4, 8)}}, "unknown layer 'layer3.0.conv1'.*Did you mean 'layer2.0.conv1'"),
    ({"widths": {"norm1": (4, 8)}}, "'norm1' is a BatchNorm2d; name a convolution"),
    ({"widths": {"nothing*": (4, 8)}}, "'nothing\\*' matches no convolution.*layer1.0.conv1"),
    ({"widths": {"head*": (5, 10)}}, "nothing that widths 'head\\*' matches can be made elastic: head"),
    (
        {"widths": {"conv1": (4, 8), "layer1.0.conv2": (2, 8)}},
        r"'conv1' and 'layer1.0.conv2' ask for different widths.*\(4, 8\) and \(2, 8\)",
    ),
    ({"widths": {"layer1.*": (0.5, 1.0), "conv*": (0.25, 1.0)}}, r"'layer1\.\*' and 'conv\*' ask for different widths"),
    ({"widths": {"conv1": (4, 6)}}, "must be its own, 8"),
    ({"widths": {"conv1": (0.5, 0.75)}}, "must be its own, 8 "),
    ({"widths": {"conv1": (8, 16)}}, "from 1 to its own 8"),
    ({"widths": {"conv1": (0, 8)}}, "from 1 to its own 8"),
    ({"widths": {"conv1": (8, 4)}}, "from the smallest to the largest"),
    ({"widths": {"conv1": "all"}}, "must be numbers"),
    ({"widths": {"conv1": ()}}, "must be numbers"),
    ({"widths": {"conv1": Choice("width", ("narrow", "wide"))}}, "must be numbers"),
    ({"widths": {"conv1": (0.5, 0.52, 1.0)}}, "come out equal: {0.5: 4, 0.52: 4"),
    ({"widths": {"conv1": (0.5, 1.0)}, "divisor": 0}, "divisor"),
    ({"kernels": {"conv1": (2, 7)}}, "kernels of conv1 must be odd"),
    ({"kernels": {"conv1": (3, 5)}}, "last of the kernels of conv1 must be its own, 7"),
    ({"kernels": {"head": (3, 5)}}, "'head' is a Linear; name a convolution"),
    ({"kernels": {"layer1.0.conv*": (1, 3), "layer1.0.*": (3,)}}, "ask for different kernels of layer1.0.conv1"),
    ({"depths": {"layer2": (0, 3)}}, r"layer2.0 cannot be left out: it turns \(8, 8, 8\) into \(16, 4, 4\)"),
    ({"depths": {"layer2": (1, 2)}}, "last of the depths of 'layer2' must be its own, 3"),
    ({"depths": {"layer2": (1, 4)}}, "up to its own 3"),
    ({"depths": {"layer9": (1, 2)}}, "unknown stage 'layer9'"),
    ({"depths": {"layer2.0": (1, 2)}}, "'layer2.0' is a ResidualBlock"),
    ({"optional": ["layer2.0"]}, "layer2.0 cannot be left out"),
    ({"optional": ["layer2.0.relu"]}, "must call it once"),
    ({"optional": ["layer9.0"]}, "unknown block 'layer9.0'"),
    ({"optional": ["nothing*"]}, "matches no block"),
    ({"optional": "layer2.1"}, "write \\['layer2.1'\\]"),
    ({"optional": ["layer2.2"], "depths": {"layer2": (1, 3)}}, "layer2.2, which a depth or another name may leave out"),
]


@pytest.mark.parametrize(("requests", "message"), RESNET, ids=lambda value: str(value)[:60])
def test_requests_that_cannot_be_met(requests: dict[str, Any], message: str) -> None:
    with pytest.raises(NasError, match=message):
        from_module(ResNet(), example=images(1), **requests)


@pytest.mark.parametrize(
    ("module", "layer", "message"),
    [
        (VisionTransformer(), "blocks.0.attention.qkv", "'reshape' in blocks.0.attention takes its channels apart"),
        (VisionTransformer(), "patches", "the module's own tensor token.*calculates with its size"),
        (Small(Wrapped(lambda self, x: torch.fft.fft(x).real)), "stem", "goes into '_fft_fft|fft_fft' in between"),
        (Small(Wrapped(lambda self, x: x.view(-1, 8, 32, 32))), "stem", "'view' in between is given the number 8"),
        (Small(Wrapped(lambda self, x: x[:, :4]), 4), "stem", "picks some of its channels by number"),
        (Small(Wrapped(lambda self, x: x.transpose(1, 3).flatten(1).view(-1, 8, 32, 32))), "stem", "mixes them with other"),
        (Small(Wrapped(lambda self, x: x * self.scale, scale=torch.ones(8, 1, 1))), "stem", "own tensor between.scale"),
        (Small(Wrapped(lambda self, x: x / x.size(1))), "stem", "calculates with its size"),
        (Small(nn.PixelShuffle(2), 2), "stem", "goes into 'PixelShuffle' in between"),
        (Small(nn.LayerNorm([8, 32, 32])), "stem", "between normalises over several dimensions"),
        (Small(nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")), "between", "between pads by 'reflect'"),
        (Small(nn.Conv2d(8, 8, 2, padding="same")), "between", "pads its two sides differently"),
        (Small(nn.Conv2d(8, 8, 3, groups=8, padding=1, padding_mode="reflect")), "stem", "between pads by 'reflect'"),
        (Small(nn.BatchNorm2d(8, track_running_stats=False)), "stem", "between keeps no running statistics"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_width_that_is_fixed_says_why(module: nn.Module, layer: str, message: str) -> None:
    with pytest.raises(NasError, match=message):
        from_module(module, example=images(1), widths={layer: (0.5, 1.0)})
    build = from_module(module, example=images(1), widths={"*": (0.5, 1.0)})
    assert layer in [entry.name for entry in build.left_alone]
    assert layer in build.summary().split("Left alone:")[1]


class Reading(Small):
    """Its forward uses a layer's weight besides calling the layer."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * self.last.weight.mean()


def test_layers_with_hooks_and_layers_whose_weights_are_read_stay_as_they_are() -> None:
    hooked = Small()
    hooked.last.register_forward_hook(lambda *_: None)
    for module, reason in ((hooked, "last has hooks"), (Reading(), "the forward reads last.weight itself")):
        with pytest.raises(NasError, match=reason):
            from_module(module, example=images(1), widths={"last": (0.5, 1.0)})
        with pytest.raises(NasError, match=reason):
            from_module(module, example=images(1), kernels={"last": (1, 3)})
        assert len(from_module(module, example=images(1), kernels={"*": (1, 3)}).choices) == 1


def test_kernels_that_cannot_shrink() -> None:
    for between, message in (
        (nn.Conv2d(8, 8, 3), "its padding is \\(0, 0\\), and only one that keeps the map's size, 1"),
        (nn.Conv2d(8, 8, (1, 3), padding=(0, 1)), "is 1 x 3; only odd square ones"),
        (nn.Conv2d(8, 8, 2), "is 2 x 2; only odd square ones"),
        (nn.Conv2d(8, 8, 3, padding=2, dilation=(2, 1)), "its padding is \\(2, 2\\)"),
    ):
        with pytest.raises(NasError, match=message):
            from_module(Small(between), example=images(1), kernels={"between": (1, 3)})


def test_widths_that_only_go_in_groups() -> None:
    with pytest.raises(NasError, match="widen cannot be 14 channels wide: its width is a multiple of 6"):
        from_module(ResNeXt(), example=images(1), widths={"widen": (14, 24)})
    with pytest.raises(NasError, match="multiple of 2"):
        from_module(GatedMixer(), example=images(1), widths={"blocks.0.up": (11, 24)})
    uneven = Inception()
    with pytest.raises(NasError, match=r"gate\.layers\.2 cannot be 11 channels wide: its width is a multiple of 5"):
        from_module(uneven, example=images(1), widths={"gate.layers.2": (11, 20)})


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


class Auxiliary(nn.Module):
    """Two results in training."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 10)

    def forward(self, x: torch.Tensor) -> Any:
        y = self.head(x.mean((2, 3)))
        return (y, y) if self.training else y


class Repeated(nn.Module):
    """One convolution called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body, self.head = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(torch.relu(self.body(self.stem(x)))).mean((2, 3)))


def test_modules_that_cannot_be_followed() -> None:
    tied = Small(nn.Conv2d(8, 8, 1))
    tied.other = nn.Conv2d(8, 8, 1)
    tied.other.weight = tied.between.weight
    elastic = Small(nn.Sequential())
    elastic.head = ElasticLinear(6, 10)
    for module, message in (
        (Small(Branching()), "cannot be followed by torch.fx.*'if' on a tensor"),
        (Auxiliary(), "in training it returns tuple"),
        (nn.Conv2d(3, 10, 1), r"in evaluation it returns \(2, 10, 32, 32\)"),
        (Small(width=9), "does not run on an example of shape"),
        (Repeated(), "body is called more than once.*counted twice"),
        (tied, "other and between share a parameter"),
        (elastic, "head is elastic already"),
    ):
        with pytest.raises(NasError, match=message):
            from_module(module, example=images(1))
    with pytest.raises(NasError, match="the example must be images"):
        from_module(Small(), example=torch.zeros(3, 32, 32))


def test_ends_that_another_task_cannot_change() -> None:
    centred = Small()
    centred.stem = nn.Sequential(Wrapped(lambda self, x: x - self.mean, mean=torch.rand(1, 3, 1, 1)), centred.stem)
    depthwise = Small()
    depthwise.stem = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, groups=3), centred.stem[1])
    normed = Small()
    normed.head = nn.Sequential(nn.Linear(6, 10), nn.BatchNorm1d(10))
    for module, task, message in (
        (centred, Task(1, 32, 10), "made for 3 channels and cannot be built for 1.*own tensor stem.0.mean"),
        (depthwise, Task(1, 32, 10), "cannot be built for 1: it is tied to stem.0"),
        (normed, Task(3, 32, 5), "made for 10 classes and cannot be built for 5: it is tied to head.1"),
    ):
        build = from_module(module, example=images(1), widths={"last": (0.5, 1.0)})
        assert space_of(build).size == 2
        with pytest.raises(NasError, match=message):
            build(task)
