"""Coloured noise in class folders, a tiny space of one's own, and a search of it: what the tests of products share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SOURCE = """
import torch
from torch import nn

import nas
from nas.elastic import ElasticBatchNorm2d, ElasticConv2d, ElasticLinear


class Tiny(nn.Module):
    task = nas.Task(3, 16, 3)

    def __init__(self, task):
        super().__init__()
        width = nas.Choice("width", (4, 8, 12))
        self.conv = ElasticConv2d(task.channels, width, 3, stride=2)
        self.norm = ElasticBatchNorm2d(width)
        self.head = ElasticLinear(width, task.classes)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.conv(x))).mean((2, 3)))
"""

CLASSES = ("blue", "green", "red")

BUDGET: dict[str, Any] = {
    "steps": 60,
    "evaluations": 3,
    "strategy": "random",
    "compute": "cpu",
    "seed": 4,
    "settings": {"batch_size": 16, "norm_affine": True},
}


def picture(label: int, number: int, size: tuple[int, int] = (16, 16)) -> Image.Image:
    """Noise that is stronger in one channel: 0 is blue, 1 green, 2 red."""
    noise = np.random.default_rng([label, number]).integers(0, 200, (size[1], size[0], 3))
    noise[..., 2 - label] += 25
    return Image.fromarray(noise.astype(np.uint8))


def fill(root: Path, each: int, classes: tuple[str, ...] = CLASSES, first: int = 0) -> Path:
    """Class folders with so many pictures each."""
    for name in classes:
        (root / name).mkdir(parents=True)
        for number in range(first, first + each):
            picture(CLASSES.index(name), number).save(root / name / f"{number:03}.png")
    return root
