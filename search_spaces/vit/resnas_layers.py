"""The layers of a ViT-ResNAS space with its choices in place, and networks of the space as tuples: written and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nas.base.errors import NasError
from nas.choices import Choice, Option, Value, evaluate, where
from search_spaces.vit.resnas_network import BLOCK, CONV_PATCH, HEAD, REDUCTION, Layer


@dataclass(frozen=True)
class ResNasOptions:
    """What may be chosen, stage by stage, from small to large.

    Attributes:
        blocks: transformer blocks of each stage.
        removable: which of them, counted from 1, may be left out.
        embeds: widths of each stage.
        heads: of each block, by stage.
        head_dims: features of a head, by stage; not searched.
        hidden: widths of the perceptrons, by stage.
    """

    blocks: tuple[int, ...]
    removable: tuple[int, ...]
    embeds: tuple[tuple[int, ...], ...]
    heads: tuple[tuple[int, ...], ...]
    head_dims: tuple[int, ...]
    hidden: tuple[tuple[int, ...], ...]


def layers(options: ResNasOptions, classes: int) -> tuple[Layer, ...]:
    """The whole space in the form of one network: choices stand where a network has numbers.

    A removable block right behind another is left out with it (the depth rule of the paper's search).
    """
    result: list[Layer] = []
    before: Value | None = None
    for stage, count in enumerate(options.blocks):
        name = f"stage{stage + 1}"
        embed = Choice(f"{name}.embed", options.embeds[stage])
        result.append((CONV_PATCH, embed) if before is None else (REDUCTION, before, embed))
        follows: Value = True
        for index in range(1, count + 1):
            block = f"{name}.block{index}"
            heads, hidden = Choice(f"{block}.heads", options.heads[stage]), Choice(f"{block}.mlp", options.hidden[stage])
            exists: Value = True
            if index in options.removable:
                exists = where(follows, Choice(f"{block}.present", (False, True)), False)
            follows = exists
            result.append((BLOCK, (embed, heads, options.head_dims[stage]), (embed, hidden), exists))
        before = embed
    assert before is not None
    result.append((HEAD, before, classes))
    return tuple(result)


def written(
    options: ResNasOptions, decisions: Mapping[str, Option], classes: int = 1000, full: bool = False
) -> tuple[Layer, ...]:
    """A network of the space as the paper's tuple of tuples.

    Args:
        decisions: an architecture; decisions that do not matter may be absent.
        full: whether blocks that are left out are listed too, with a 0 at the end and the smallest sizes.
    """
    codes = _Codes(decisions)
    network = _plain(layers(options, classes), codes)
    return tuple(layer for layer in network if full or layer[0] != BLOCK or layer[3])


class _Codes(dict[str, int]):
    """Option indices, looked up as an expression asks for them."""

    def __init__(self, decisions: Mapping[str, Option]) -> None:
        super().__init__()
        self.decisions = decisions

    def of(self, value: Value) -> Any:
        for choice in getattr(value, "choices", ()):
            given = self.decisions.get(choice.name)
            self[choice.name] = 0 if given is None else choice.index(given)
        return evaluate(value, self)


def _plain(value: Any, codes: _Codes) -> Any:
    """The same tuples with every symbolic value worked out; truth values as 0 and 1."""
    if isinstance(value, tuple):
        return tuple(_plain(part, codes) for part in value)
    result = codes.of(value)
    return int(result)


def read(options: ResNasOptions, network: Sequence[Layer]) -> dict[str, Option]:
    """The decisions of a network given as tuples; `Space.validate` then makes them an architecture.

    Blocks that are left out may be listed with a 0 or not at all. In the second case nothing says which of the removable
    blocks they were, and the last ones are taken: the network is the same.

    Raises:
        NasError: the tuples are no network of this space.
    """
    stages, embeds = _stages(network)
    if len(stages) != len(options.blocks):
        raise NasError(f"this space has {len(options.blocks)} stages; the network has {len(stages)}")
    decisions: dict[str, Option] = {}
    for stage, blocks in enumerate(stages):
        name = f"stage{stage + 1}"
        decisions[f"{name}.embed"] = embeds[stage]
        removable = [index for index in options.removable if index <= options.blocks[stage]]
        for index, block in _places(name, blocks, options.blocks[stage], removable).items():
            if index in removable:
                decisions[f"{name}.block{index}.present"] = block is not None and bool(block[3])
            if block is None or not block[3]:
                continue
            _, (width, heads, features), (width_again, hidden), _ = block
            if not width == width_again == embeds[stage] or features != options.head_dims[stage]:
                raise NasError(
                    f"{name} is {embeds[stage]} wide with {options.head_dims[stage]} features a head; given {block!r}"
                )
            decisions |= {f"{name}.block{index}.heads": heads, f"{name}.block{index}.mlp": hidden}
    return decisions


def _stages(network: Sequence[Layer]) -> tuple[list[list[Layer]], list[int]]:
    """The blocks of each stage and its width. Raises NasError where stages do not follow from one another."""
    if len(network) < 2 or network[0][0] != CONV_PATCH or network[-1][0] != HEAD:
        raise NasError("a network of this space begins with (4, C) and ends with (2, C, classes)")
    stages: list[list[Layer]] = [[]]
    embeds = [network[0][1]]
    for layer in network[1:-1]:
        if layer[0] == BLOCK:
            stages[-1].append(layer)
        elif layer[0] == REDUCTION and layer[1] == embeds[-1]:
            stages.append([])
            embeds.append(layer[2])
        else:
            raise NasError(f"layer {layer!r} does not fit behind a stage of width {embeds[-1]}; expected (1, ...) or (3, ...)")
    if network[-1][1] != embeds[-1]:
        raise NasError(f"the head takes {network[-1][1]} features; the last stage has {embeds[-1]}")
    return stages, embeds


def _places(stage: str, blocks: Sequence[Layer], count: int, removable: Sequence[int]) -> dict[int, Layer | None]:
    """The block at each place of a stage, None where one was left out of the tuples."""
    missing = count - len(blocks)
    if not 0 <= missing <= len(removable):
        raise NasError(f"{stage} has {count - len(removable)} to {count} blocks; given {len(blocks)}")
    empty = set(removable[len(removable) - missing :])
    given = iter(blocks)
    return {index: None if index in empty else next(given) for index in range(1, count + 1)}
