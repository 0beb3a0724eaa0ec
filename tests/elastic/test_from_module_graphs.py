"""Random networks of sums, products, concatenations, halves and depthwise convolutions become exact spaces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conversion_checks import assert_exact, assert_largest_is_the_module, images, space_of
from handwritten_networks import trained
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nas.elastic import from_module
from nas.elastic.conversion.widths import fix, length, reasons, resolved, unify, whole

KINDS = ("conv", "grouped", "depthwise", "norm", "group_norm", "prelu", "add", "mul", "cat", "half", "squeeze", "relu")


class RandomNetwork(nn.Module):
    """A program of operations on the maps made so far, all of one size; those that none reads go on together."""

    def __init__(self, seed: int, steps: int) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        self.stem = nn.Conv2d(3, 8, 3, 4, 1)
        self.layers = nn.ModuleDict()
        self.program: list[tuple[str, str, tuple[int, ...]]] = []
        widths = [8]
        for step in range(steps):
            kind = str(rng.choice(KINDS))
            first = int(rng.choice(len(widths))) if rng.random() < 0.4 else len(widths) - 1
            width, name = widths[first], f"step{step}"
            second = first
            made = width
            if kind == "conv":
                made = int(rng.choice([4, 6, 8]))
                kernel = int(rng.choice([1, 3]))
                self.layers[name] = nn.Conv2d(width, made, kernel, padding=kernel // 2, bias=bool(rng.random() < 0.5))
            elif kind == "grouped" and width % 4 == 0:
                made = int(rng.choice([8, 12]))
                self.layers[name] = nn.Conv2d(width, made, 3, padding=1, groups=4)
            elif kind == "depthwise":
                self.layers[name] = nn.Conv2d(width, width, 3, padding=1, groups=width)
            elif kind == "norm":
                self.layers[name] = nn.BatchNorm2d(width)
            elif kind == "group_norm" and width % 2 == 0:
                self.layers[name] = nn.GroupNorm(2, width)
            elif kind == "prelu":
                self.layers[name] = nn.PReLU(width)
            elif kind == "squeeze":
                self.layers[name] = nn.Linear(width, width)
            elif kind in ("add", "mul", "cat"):
                alike = [i for i, other in enumerate(widths) if other == width or kind == "cat"]
                second = int(rng.choice(alike))
                made = width + widths[second] if kind == "cat" else width
            elif kind == "half" and width % 2 == 0:
                made = width // 2
            else:
                kind = "relu"
            if made > 40:
                continue
            self.program.append((kind, name, (first, second)))
            widths.append(made)
        read = {place for _, _, places in self.program for place in places}
        self.unread = [place for place in range(len(widths)) if place not in read]
        joined = sum(widths[place] for place in self.unread)
        self.norm = nn.BatchNorm2d(joined)
        self.last = nn.Conv2d(joined, 8, 1)
        self.head = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = [self.stem(x)]
        for kind, name, (first, second) in self.program:
            one, two = maps[first], maps[second]
            if kind == "add":
                maps.append(one + two)
            elif kind == "mul":
                maps.append(one * torch.sigmoid(two))
            elif kind == "cat":
                maps.append(torch.cat([one, two], 1))
            elif kind == "half":
                left, right = torch.chunk(one, 2, 1)
                maps.append(left + right * 0.5)
            elif kind == "squeeze":
                gate = self.layers[name](one.mean((2, 3)))
                maps.append(one * torch.sigmoid(gate)[:, :, None, None])
            elif kind == "relu":
                maps.append(torch.relu(one))
            else:
                maps.append(self.layers[name](one))
        joined = torch.cat([maps[place] for place in self.unread], 1)
        return self.head(torch.relu(self.last(self.norm(joined))).mean((2, 3)))


def check(seed: int, steps: int, count: int) -> None:
    module = trained(RandomNetwork(seed, steps), seed)
    build = from_module(module, example=images(1), widths={"*": (0.25, 0.5, 1.0)}, divisor=2)
    space = space_of(build, 16)
    assert_largest_is_the_module(space, build, module, 16)
    assert_exact(space, count, 16, seed)


@settings(max_examples=6)
@given(st.integers(0, 10_000), st.integers(2, 12))
def test_random_networks_are_exact(seed: int, steps: int) -> None:
    check(seed, steps, 1)


@pytest.mark.slow
def test_many_random_networks_are_exact() -> None:
    for seed in range(100):
        check(seed, 2 + seed % 16, 3)


@st.composite
def tied_layouts(draw: st.DrawFn) -> list[tuple[tuple, tuple]]:
    """Pairs of layouts of one length, made of shared layouts that are repeated, joined and flattened."""
    pool = [whole(draw(st.integers(1, 6))) for _ in range(4)]
    pairs = []
    for _ in range(draw(st.integers(1, 4))):
        picked = draw(st.lists(st.tuples(st.sampled_from(pool), st.integers(1, 3)), min_size=1, max_size=4))
        first = tuple((node, unit) for layout, unit in picked for node, _ in layout)
        sizes, rest = [], length(first)
        while rest:
            sizes.append(draw(st.integers(1, rest)))
            rest -= sizes[-1]
        pairs.append((first, tuple(piece for size in sizes for piece in whole(size))))
    return pairs


@settings(max_examples=80)
@given(tied_layouts())
def test_tied_layouts_agree_channel_by_channel(pairs: list[tuple[tuple, tuple]]) -> None:
    """After all ties both sides are the same sequence, or both are fixed where no cut fits; no channel is lost."""
    lengths = [length(first) for first, _ in pairs]
    for first, second in pairs:
        unify(first, second, "here")
    for (first, second), expected in zip(pairs, lengths, strict=True):
        assert length(resolved(first)) == length(resolved(second)) == expected
        assert resolved(first) == resolved(second) or (reasons(first) and reasons(second))


def test_what_is_fixed_stays_fixed_through_every_tie() -> None:
    wide, narrow = whole(12), whole(4)
    fix(wide, "a reason")
    joined = (*narrow, *whole(8))
    unify(wide, joined, "here")
    assert reasons(joined) == ("a reason",)
    assert reasons(narrow) == ("a reason",)
    coarse = ((whole(3)[0][0], 4),)
    unify(narrow + whole(8), coarse, "here")
    assert reasons(coarse) == ("a reason",)
