"""Kernels, depths and blocks that may be left out, turned into choices."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping

from torch import nn

from nas.base.errors import NasError, unknown
from nas.choices import Choice
from nas.elastic.conversion.flow import Flow, Layer
from nas.elastic.conversion.function_rules import tied
from nas.elastic.conversion.requests import (
    LeftAlone,
    Options,
    Plan,
    by_rank,
    choice_of,
    is_pattern,
    matched,
    require_one,
)


def plan_kernels(plan: Plan, flow: Flow, requests: Mapping[str, Options]) -> None:
    """Give the convolutions that the requests name smaller kernels. Raises NasError as `plan_widths` does."""
    asked: dict[str, tuple[str, Options]] = {}
    for key, options in by_rank(requests):
        layers = matched(flow, key, (nn.Conv2d,), "convolution")
        for layer in layers:
            other = asked.get(layer.name)
            if other is not None:
                if is_pattern(other[0]) == is_pattern(key) and other[1] != options:
                    raise NasError(f"'{other[0]}' and '{key}' ask for different kernels of {layer.name}: {other[1]}, {options}")
                continue
            try:
                choice = choice_of(options, f"{layer.name}.kernel")
                _require_kernels(flow, layer, choice)
            except NasError as error:
                if not is_pattern(key):
                    raise
                plan.left.append(LeftAlone(layer.name, f"kernels '{key}'", str(error)))
                continue
            asked[layer.name] = (key, options)
            plan.kernels[layer.name] = choice
            plan.note("kernel", choice, layer.name)
        require_one(plan, f"kernels '{key}'", len(layers))


def _require_kernels(flow: Flow, layer: Layer, choice: Choice) -> None:
    module = layer.module
    assert isinstance(module, nn.Conv2d)
    obstacle = flow.obstacles.get(layer.name)
    height, width = module.kernel_size
    if obstacle:
        raise NasError(f"the kernel of {layer.name} cannot change: {obstacle}")
    if height != width or height % 2 == 0:
        raise NasError(f"the kernel of {layer.name} is {height} x {width}; only odd square ones can be made smaller")
    same = module.dilation[0] * (height - 1) // 2
    if module.padding not in ("same", (same, same)) or module.dilation[0] != module.dilation[1]:
        raise NasError(
            f"the kernel of {layer.name} cannot change: its padding is {module.padding}, and only one that keeps the map's "
            f"size, {same}, can follow the kernel"
        )
    if any(isinstance(o, bool | str | float) or o % 2 == 0 or not 1 <= o <= height for o in choice.options):
        raise NasError(f"kernels of {layer.name} must be odd and at most its own {height}; given {choice.options}")
    if choice.options[-1] != height:
        raise NasError(f"the last of the kernels of {layer.name} must be its own, {height}; given {choice.options}")


def plan_depths(flow: Flow, plan: Plan, requests: Mapping[str, Options]) -> None:
    """Let the last blocks of stages be left out. Raises NasError where one changes the shape of what it is given."""
    modules = dict(flow.module.named_modules())
    for key, options in requests.items():
        if key not in modules:
            raise unknown("stage", key, [name for name, module in modules.items() if isinstance(module, nn.Sequential)])
        stage = modules[key]
        if not isinstance(stage, nn.Sequential | nn.ModuleList):
            raise NasError(f"'{key}' is a {type(stage).__name__}; a depth is that of an nn.Sequential or an nn.ModuleList")
        choice = choice_of(options, f"{key}.depth")
        names = [f"{key}.{name}" for name, _ in stage.named_children()]
        if any(isinstance(o, bool | str | float) or not 0 <= o <= len(names) for o in choice.options):
            raise NasError(f"depths of '{key}' are whole numbers up to its own {len(names)}; given {choice.options}")
        if choice.options[-1] != len(names):
            raise NasError(f"the last of the depths of '{key}' must be its own, {len(names)}; given {choice.options}")
        for index, name in enumerate(names):
            if index >= int(choice.options[0]):
                _let_out(flow, name)
                plan.kept[name] = choice > index
        plan.note("depth", choice, key)


def plan_optional(flow: Flow, plan: Plan, requests: Iterable[str]) -> None:
    """Let blocks be left out. Raises NasError as `plan_depths` does; of what a pattern matches, such blocks stay."""
    modules = dict(flow.module.named_modules())
    for key in requests:
        blocks = [name for name, module in modules.items() if name and next(module.children(), None) and name in flow.blocks]
        found = [name for name in blocks if fnmatch.fnmatchcase(name, key)] if is_pattern(key) else [key]
        if key not in modules and not is_pattern(key):
            raise unknown("block", key, blocks)
        if not found:
            raise NasError(f"the pattern '{key}' matches no block; there are: {', '.join(blocks)}")
        for name in found:
            if name in plan.kept:
                raise NasError(f"'{key}' asks for {name}, which a depth or another name may leave out already")
            try:
                _let_out(flow, name)
            except NasError as error:
                if not is_pattern(key):
                    raise
                plan.left.append(LeftAlone(name, f"optional '{key}'", str(error)))
                continue
            choice = Choice(f"{name}.kept", (False, True))
            plan.kept[name] = choice.equals(True)
            plan.note("kept", choice, name)
        require_one(plan, f"optional '{key}'", len(found))


def _let_out(flow: Flow, name: str) -> None:
    """Tie what enters a block to what leaves it."""
    calls = flow.blocks.get(name, [])
    if len(calls) != flow.traces or None in calls:
        raise NasError(f"{name} cannot be left out: the forward must call it once, with one tensor, and get one tensor back")
    for call in calls:
        assert call is not None
        before, after = call
        if before.shape != after.shape:
            raise NasError(f"{name} cannot be left out: it turns {before.shape[1:]} into {after.shape[1:]}")
        for entering, leaving in zip(before.dims, after.dims, strict=True):
            tied([entering, leaving], f"{name}, which may be left out,")
