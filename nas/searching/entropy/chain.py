"""A network as a chain of convolutional blocks in stages."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from nas.choices import Value, any_of
from nas.elastic import Walk
from nas.elastic.symbolic import Shape, same
from nas.searching.entropy.trails import NotChain, Step, main_path

__all__ = ["STAGES", "Chain", "Layer", "NotChain", "Stage", "SuperBlock", "read_chain"]

STAGES = 5
"""Stages that the entropy of a network weighs."""


@dataclass(frozen=True)
class Layer:
    """A convolution.

    Attributes:
        fan_in: numbers that one output is a sum of: c_in x k^2, for a depthwise convolution k^2.
        count: how often it is run: its guard.
    """

    fan_in: Value
    count: Value


@dataclass(frozen=True)
class Stage:
    """Blocks up to the next one that makes the map smaller.

    Attributes:
        output: (1, C, H, W) of the map that leaves.
    """

    layers: tuple[Layer, ...]
    output: Shape


@dataclass(frozen=True)
class SuperBlock:
    """Neighbouring blocks of several convolutions with one width and one map.

    Attributes:
        counts: how often each block is run; the sum is the depth.
        width: channels that leave.
        middle: channels that the first block's second-last convolution makes.
    """

    counts: tuple[Value, ...]
    width: Value
    middle: Value


@dataclass(frozen=True)
class Chain:
    """Stages and super-blocks.

    Attributes:
        entry: channels that enter the first super-block.
        depthwise: whether some convolution is grouped.
    """

    stages: tuple[Stage, ...]
    super_blocks: tuple[SuperBlock, ...]
    entry: Value
    depthwise: bool


def read_chain(walk: Walk) -> Chain:
    """The chain that a walk shows.

    A block is what a space names a unit, otherwise the part of the network in the innermost list of modules. A stage ends
    before each block, and each pool, that makes the map smaller, and at the end of the network.

    Raises:
        NotChain: the network is none, or has not five stages.
    """
    steps, end = main_path(walk)
    runs = [list(run) for _, run in itertools.groupby(steps, lambda step: _block(walk, step))]
    stages = _stages(runs, end)
    if len(stages) != STAGES:
        raise NotChain(
            f"its networks have {len(stages)} stages, counted by where the map gets smaller; DeepMAD weighs exactly {STAGES}"
        )
    blocks = [run for run in runs if sum(step.convolves for step in run) > 1]
    if not blocks:
        raise NotChain("its networks hold no block of several convolutions")
    grouped = any(not _is_one(step.operator.attributes["groups"]) for step in steps if step.convolves)
    return Chain(stages, _super_blocks(blocks), blocks[0][0].operator.inputs[0].shape[1], grouped)


def _block(walk: Walk, step: Step) -> tuple[str, int]:
    """The name of the block that a step belongs to; pools are blocks by themselves."""
    operator = step.operator
    if not step.convolves:
        return "pool", operator.output.index
    if operator.units:
        return walk.units[operator.units[0]].path, operator.units[0]
    parts = operator.path.split(".")
    listed = [index for index, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[: listed[-1] + 1] if listed else parts[:-1]), -1


def _stages(runs: Sequence[list[Step]], end: Shape) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    layers: list[Layer] = []
    level = 0
    for index, run in enumerate(runs):
        if run[-1].level > level and index > 0:
            stages.append(Stage(tuple(layers), run[0].operator.inputs[0].shape))
            layers = []
        level = max(level, run[-1].level)
        layers += [_layer(step) for step in run if step.convolves]
    return (*stages, Stage(tuple(layers), end))


def _layer(step: Step) -> Layer:
    attributes = step.operator.attributes
    channels, groups = step.operator.inputs[0].shape[1], attributes["groups"]
    each: Value = 1 if channels is groups else channels // groups
    return Layer(each * (attributes["kernel_h"] * attributes["kernel_w"]), step.operator.guard)


def _super_blocks(blocks: Sequence[list[Step]]) -> tuple[SuperBlock, ...]:
    found: list[list[list[Step]]] = []
    for block in blocks:
        if found and _alike(found[-1][-1][-1], block[-1]):
            found[-1].append(block)
        else:
            found.append([block])
    return tuple(
        SuperBlock(
            tuple(_count(block) for block in group),
            group[0][-1].operator.output.shape[1],
            group[0][-2].operator.output.shape[1],
        )
        for group in found
    )


def _count(block: Sequence[Step]) -> Value:
    """How often a block is run: where it holds alternatives, whenever one of them is."""
    guards = {id(step.operator.guard): step.operator.guard for step in block if step.convolves}
    return any_of(guards.values()) if len(guards) > 1 else next(iter(guards.values()))


def _alike(first: Step, second: Step) -> bool:
    return first.level == second.level and same(first.operator.output.shape[1], second.operator.output.shape[1])


def _is_one(value: Value) -> bool:
    return isinstance(value, int) and value == 1
