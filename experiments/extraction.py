"""Taking a sub-network out of the supernet as plain torch, beside building such layers anew and copying it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from recording import alternate, arguments, ratio, record
from torch import nn

from nas.supernet import open_space

RESOLUTION, CLASSES = 96, 1000
GEOMETRY = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")


def rebuilt(extracted: nn.Module) -> list[nn.Module]:
    """The convolutions, norms and linear layers of a network built anew, as its static definition would build them."""
    built: list[nn.Module] = []
    for module in extracted.modules():
        if isinstance(module, nn.Conv2d):
            geometry: dict[str, Any] = {name: getattr(module, name) for name in GEOMETRY}
            built.append(nn.Conv2d(**geometry, bias=module.bias is not None))
        elif isinstance(module, nn.BatchNorm2d):
            built.append(nn.BatchNorm2d(module.num_features, module.eps, module.momentum))
        elif isinstance(module, nn.Linear):
            built.append(nn.Linear(module.in_features, module.out_features, module.bias is not None))
    return built


def main() -> None:
    """Measure and record."""
    rounds = arguments(__doc__, rounds=15).rounds
    space = open_space("mbconv")
    supernet = space.supernet(3, RESOLUTION, CLASSES)
    architectures = {"smallest": space.encode([space.smallest])[0], "largest": space.encode([space.largest])[0]}
    architectures["random"] = space.decisions.sample(np.random.default_rng(0), 1)[0]
    figures: list[dict[str, Any]] = []
    for name, row in architectures.items():
        extracted = supernet.extract(row)
        sides: dict[str, Callable[[], Any]] = {
            "extract": partial(supernet.extract, row),
            "build": partial(rebuilt, extracted),
            "copy": partial(copy.deepcopy, extracted),
        }
        times = alternate(sides, rounds)
        ms = {f"{side}_ms": 1e3 * median(measured) for side, measured in times.items()}
        figures.append({"what": name, **ms, "extract_against_build": ratio(times, "extract", "build")})
    record(__file__, figures, space=space.name, resolution=RESOLUTION, classes=CLASSES, rounds=rounds)


if __name__ == "__main__":
    main()
