"""Walking a network once, with sizes instead of numbers, to read the whole space from its definition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

import nas.elastic.shapes
import nas.elastic.shapes_layout
import nas.elastic.shapes_products  # noqa: F401  registers the shape rules
from nas.base.errors import NasError
from nas.choices import Choice, Codes, Value, all_of, any_of, evaluate, free_choices
from nas.elastic.symbolic import Operator, Recorder, SymbolicTensor, UnitUse
from nas.elastic.unit import Unit


@dataclass(frozen=True)
class Walk:
    """What one walk found.

    Attributes:
        operators: in order of execution.
        units: the groups that tables list as one.
        choices: in the order in which the network meets them, a choice after those that its condition reads.
        conditions: choice name -> in which architectures it matters; absent where it always does.
        output: the shape of the result, batch 1.
        notes: what others worked out from it and keep.
    """

    operators: tuple[Operator, ...]
    units: tuple[UnitUse, ...]
    choices: tuple[Choice, ...]
    conditions: dict[str, Value]
    output: tuple[Value, ...]
    notes: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def image_resize(self) -> Operator | None:
        """What brings the images to the resolution that is searched; None where it is not.

        The network on a device begins after it: its images have that resolution already.
        """
        first = (operator for operator in self.operators if operator.kind == "resize" and operator.inputs[0].index == 0)
        return next(first, None)

    def image_side(self, codes: Codes) -> int:
        """The width of the images on which an architecture works, given the codes of its options."""
        if self.image_resize is not None:
            return int(evaluate(self.image_resize.output.shape[-1], codes))
        sides = (tensor.shape[-1] for operator in self.operators for tensor in operator.inputs if tensor.index == 0)
        return int(evaluate(next(sides), codes))


def walk(network: nn.Module, input_shape: tuple[Value, ...]) -> Walk:
    """Run the network's own forward on a symbolic image.

    Args:
        network: built from elastic layers and plain torch modules; its parameters may be on the meta device.
        input_shape: (C, H, W) or whatever one example has, without the batch dimension.

    Raises:
        NasError: shapes that do not fit in some architecture, an operator without a rule, or Python control flow on a
            choice; names the module.
    """
    recorder = Recorder()
    names = {module: name for name, module in network.named_modules()}
    opened: list[bool] = []

    def enter(module: nn.Module, args: tuple[Any, ...]) -> None:
        if module not in names:
            return
        recorder.paths.append(names[module])
        unit = getattr(module, "unit", None)
        opened.append(isinstance(unit, Unit))
        if isinstance(unit, Unit):
            parent = recorder.open_units[-1] if recorder.open_units else None
            use = UnitUse(unit, names[module], args[0].shape[1:], recorder.guard, parent, len(recorder.operators))
            recorder.use(*(value for value in unit.attributes.values() if not isinstance(value, str)))
            recorder.open_units.append(len(recorder.units))
            recorder.units.append(use)

    def leave(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if module not in names:
            return
        if opened.pop():
            recorder.units[recorder.open_units.pop()].output = output.shape[1:]
        recorder.paths.pop()

    hooks = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave)]
    try:
        output = network(recorder.tensor((1, *input_shape)))
    except TypeError as error:
        if "architecture is chosen" not in str(error):
            raise
        raise NasError(f"{recorder.path or 'the network'}: {error}") from error
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(output, SymbolicTensor):
        raise NasError(f"the network returns {type(output).__name__} instead of one tensor")
    conditions = {}
    for name, (_, conjunctions) in recorder.uses.items():
        condition = any_of(all_of(conjunction.values()) for conjunction in conjunctions)
        if condition is not True:
            conditions[name] = condition
    choices = _ordered([choice for choice, _ in recorder.uses.values()], conditions)
    return Walk(tuple(recorder.operators), tuple(recorder.units), choices, conditions, output.shape)


def _ordered(choices: list[Choice], conditions: dict[str, Value]) -> tuple[Choice, ...]:
    """The choices as they were met, except that those which a condition reads come before it."""
    ordered: dict[str, Choice] = {}

    def place(choice: Choice, waiting: frozenset[str]) -> None:
        if choice.name in ordered or choice.name in waiting:
            return
        for needed in free_choices(conditions.get(choice.name, True)):
            place(needed, waiting | {choice.name})
        ordered[choice.name] = choice

    for choice in choices:
        place(choice, frozenset())
    return tuple(ordered.values())
