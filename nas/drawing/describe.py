"""What is said of a block: settings, decisions, shapes and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.choices import Choice, Value, evaluate, free_choices
from nas.costs.counts import FREE, MACS
from nas.drawing.blocks import Block
from nas.drawing.flow import INPUT, Step

UNSAID = frozenset({"residual"})
"""Attributes of units that the picture shows otherwise."""

SHORT = 3
"""A shortcut has at most so many operators: nothing, or a pool, a projection and its norm."""

Codes = Mapping[str, int]


def shape(sizes: Sequence[Value], codes: Codes) -> tuple[int, ...]:
    """Plain sizes of one image's tensor, given with its batch of 1."""
    return tuple(int(evaluate(size, codes)) for size in sizes[1:])


def input_shape(block: Block, codes: Codes) -> tuple[int, ...]:
    """The first tensor that enters."""
    return shape(block.steps[0].operator.inputs[0].shape, codes)


def output_shape(block: Block, codes: Codes) -> tuple[int, ...]:
    """The tensor that leaves."""
    return shape(block.steps[-1].operator.output.shape, codes)


def macs(block: Block, codes: Codes) -> int:
    """Multiply-adds of the operators that the codes run."""
    counted = (step.operator for step in block.steps if step.operator.kind not in FREE)
    return sum(int(evaluate(MACS[op.kind](op), codes)) for op in counted if bool(evaluate(op.guard, codes)))


def parameters(block: Block, codes: Codes) -> int:
    """Weights of the operators that the codes run."""
    return sum(
        int(evaluate(step.operator.parameters, codes)) for step in block.steps if bool(evaluate(step.operator.guard, codes))
    )


def decisions(block: Block) -> tuple[Choice, ...]:
    """The choices that matter inside a block and do not come in with the tensors that it reads."""
    units = block.unit.attributes.values() if block.unit is not None else ()
    inside = free_choices(
        *(value for value in units if not isinstance(value, str)), *(value for step in block.steps for value in _figures(step))
    )
    enters = {choice.name for choice in free_choices(*_entering(block))}
    return tuple(choice for choice in inside if choice.name not in enters)


def conditions(block: Block) -> tuple[Choice, ...]:
    """The choices that decide which of the block's operators are run."""
    return free_choices(*(step.operator.guard for step in block.steps))


def settings(block: Block, codes: Codes) -> dict[str, Any]:
    """Name -> value of what tells this block from others: a unit's attributes, else what its operators show."""
    if block.unit is not None:
        found = {name: _plain(value, codes) for name, value in block.unit.attributes.items() if name not in UNSAID}
        return {name: value for name, value in found.items() if is_said(name, value)}
    found = _shown_by_operators(block, codes)
    inside = decisions(block)
    words = [choice.name.rpartition(".")[2].rstrip("0123456789") for choice in inside]
    for choice, word in zip(inside, words, strict=True):
        name = word if word and words.count(word) == 1 else choice.name
        found.setdefault(name, choice.options[int(codes[choice.name])])
    return found


def is_said(name: str, value: Any) -> bool:
    """Whether a unit's setting is worth a word: nothing, none and a stride of 1 are not."""
    return value not in (0, "") and (name, value) != ("stride", 1)


def symbolic_settings(block: Block) -> dict[str, list[Value | str]]:
    """What `settings` says, for all architectures at once: the values that each setting may be, symbolic ones among them."""
    if block.unit is not None:
        return {name: [value] for name, value in block.unit.attributes.items() if name not in UNSAID}
    found: dict[str, list[Value | str]] = {}
    for step in block.steps:
        operator = step.operator
        if operator.kind == "conv2d":
            found.setdefault("kernel", []).append(operator.attributes["kernel_h"])
        elif operator.kind == "attention" and len(operator.inputs[0].shape) >= 4:
            found.setdefault("heads", []).append(operator.inputs[0].shape[-3])
    return found


def is_residual(block: Block, codes: Codes) -> bool:
    """Whether what enters is added, as it is or through at most a projection and its norm, to what the block makes of it.

    Where a product is taken in place of a sum the walk does not tell, so two tensors of one shape are asked for: the
    weights of squeeze-and-excitation are not.
    """
    places = {index: place for place, index in enumerate(block.indices)}
    depth: list[int] = []
    residual = False
    for step in block.steps:
        near = [
            min((depth[places[s]] if s in places and places[s] < len(depth) else 0) for s in tensor) for tensor in step.sources
        ]
        shapes = {shape(tensor.shape, codes) for tensor in step.operator.inputs}
        if step.operator.kind == "elementwise" and len(near) > 1 and len(shapes) == 1 and min(near) <= SHORT:
            residual = residual or max(near) > min(near)
        depth.append(1 + min(near, default=0))
    return residual


def words(found: Mapping[str, Any]) -> list[str]:
    """Settings as they stand in a box: 'kernel 3', and the bare word for a text."""
    return [value if isinstance(value, str) and name == "act" else f"{name} {value}" for name, value in found.items()]


def _figures(step: Step) -> list[Value]:
    operator = step.operator
    return [*operator.attributes.values(), operator.parameters, *operator.output.shape]


def _entering(block: Block) -> list[Value]:
    inside = set(block.indices)
    sizes: list[Value] = []
    for step in block.steps:
        for sources, tensor in zip(step.sources, step.operator.inputs, strict=True):
            if any(source == INPUT or source not in inside for source in sources):
                sizes += tensor.shape
    return sizes


def _shown_by_operators(block: Block, codes: Codes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    kernels, heads = set(), set()
    for step in block.steps:
        operator = step.operator
        if operator.kind == "conv2d":
            sides = tuple(int(evaluate(operator.attributes[name], codes)) for name in ("kernel_h", "kernel_w"))
            kernels.add(f"{sides[0]}" if sides[0] == sides[1] else f"{sides[0]}x{sides[1]}")
        elif operator.kind == "attention" and len(operator.inputs[0].shape) >= 4:
            heads.add(int(evaluate(operator.inputs[0].shape[-3], codes)))
    large = sorted(kernels - {"1"} or kernels)
    if large:
        found["kernel" if len(large) == 1 else "kernels"] = ", ".join(large)
    if heads:
        found["heads"] = ", ".join(map(str, sorted(heads)))
    before, after = input_shape(block, codes), output_shape(block, codes)
    strides = any(step.operator.kind in ("conv2d", "pool") for step in block.steps)
    if strides and len(before) == len(after) == 3 and before[1] > after[1] > 1:
        found["stride"] = round(before[1] / after[1])
    return found


def _plain(value: Value | str, codes: Codes) -> Any:
    if isinstance(value, str):
        return value
    result = evaluate(value, codes)
    return result.item() if hasattr(result, "item") else result
