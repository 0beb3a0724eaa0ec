"""What every layer that holds choices has in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import torch
from torch import nn

from nas.choices import Expression, Value
from nas.elastic.symbolic import SymbolicTensor

if TYPE_CHECKING:
    from nas.elastic.batched import Slots
    from nas.elastic.direct import DirectGradients

Setting = tuple[Any, ...]
Cut = tuple[slice, ...]

Dimension: TypeAlias = Literal["resolution", "width", "kernel", "depth", "operator"]
"""What a decision changes about a network. Options of an operator are different things; those of the others are sizes."""


class Configurable(nn.Module):
    """A module with settings that an architecture fixes.

    Who picks the architecture is not its business: a supernet evaluates the settings and calls `activate`.
    """

    settings: Mapping[str, Value]
    """Name -> value, symbolic where it depends on choices, in the order in which `activate` takes them."""

    setting: Setting | None = None
    """The settings in force."""

    dimension: ClassVar[Dimension] = "operator"
    """What the settings change, unless `dimensions` says otherwise."""

    dimensions: ClassVar[Mapping[str, Dimension]] = {}
    """What single settings change, by their names; see `nas.supernet.dimensions`."""

    by_slot: ClassVar[bool] = False
    """Whether examples of different architectures must not meet here even where their settings agree."""

    runs_apart: ClassVar[bool] = False
    """Whether `batched` runs the ordinary forward for each architecture, so that the modules inside need no `batched`."""

    _slots: Slots | None = None
    """While several architectures share a pass: which example belongs to whom; see `nas.elastic.batched`."""

    def declare(self, **settings: Value) -> None:
        """Name the settings; those without choices are in force at once."""
        self.settings = settings
        if not any(isinstance(value, Expression) for value in settings.values()):
            self.activate(tuple(settings.values()))

    def activate(self, setting: Setting) -> None:
        """Put settings in force, one value for each name in `settings`."""
        self.setting = setting

    def figures(self, x: Any) -> Setting:
        """The settings as the present pass sees them: symbolic where `x` is a `SymbolicTensor`, else those in force.

        With it one `forward` serves the walk, the supernet and extraction.
        """
        return tuple(self.settings.values()) if isinstance(x, SymbolicTensor) else self.chosen()

    def chosen(self) -> Setting:
        """The settings in force."""
        if self.setting is None:
            raise RuntimeError(f"{type(self).__name__} has no architecture yet: activate one on the supernet first")
        return self.setting

    def batched(self, slots: Slots, *inputs: Any) -> Any:
        """The forward of a pass that several architectures share; see `nas.elastic.batched`."""
        raise TypeError(f"{type(self).__name__} does not say how it works on several architectures at once")


class ElasticLayer(Configurable):
    """A leaf whose full parameters hold those of every setting; what a setting uses is a view of them."""

    dimension: ClassVar[Dimension] = "width"
    runs_apart = True

    channel_axis: ClassVar[int | None] = None
    """Along which axis channels lie, before and after; None where the layer is no map from channels to channels."""

    normalises: ClassVar[bool] = False
    """Whether it is a norm, whose parameters `weight` and `bias` only scale and shift."""

    policy: Callable[[ElasticLayer], tuple[torch.Tensor | None, ...]] | None = None
    """Makes the parameters in the place of the cuts while a trainer relaxes sizes; not where gradients are added directly."""

    _direct: DirectGradients | None = None
    _parts: tuple[torch.Tensor | None, ...] = ()

    def cuts(self, setting: Setting) -> dict[str, Cut]:
        """For each parameter name the part that a setting uses."""
        raise TypeError(f"{type(self).__name__} does not say which part of its parameters a setting uses")

    def channels(self, setting: Setting) -> tuple[int, int]:
        """Channels that arrive and that leave under a setting."""
        return setting[0], setting[1]

    def batched(self, slots: Slots, *inputs: Any) -> Any:
        """Each architecture's own channels, zeros beyond."""
        (x,) = inputs
        if self.channel_axis is None:
            return super().batched(slots, x)
        settings, largest = slots.settings(self), slots.largest(self)
        widths = [self.channels(setting) for setting in settings]
        one = self.for_all(settings, largest)
        if one is not None and slots.small(x, self.channel_axis) and x.shape[self.channel_axis] == self.channels(one)[0]:
            return slots.masked(self, x, one, self.channel_axis, [after for _, after in widths])
        before = [before for before, _ in widths]
        return slots.apart(self, x, self.channel_axis, before, self.channels(largest)[1])

    def for_all(self, settings: Sequence[Setting], largest: Setting) -> Setting | None:
        """The setting whose first channels are what each of these settings computes, given zeros in the channels not in use.

        None where there is none. `largest` is the largest of the space.
        """
        return None

    def static(self) -> nn.Module:
        """The plain torch module that computes the same under the settings in force; it shares no memory."""
        raise TypeError(f"{type(self).__name__} has no static twin")

    def activate(self, setting: Setting) -> None:
        """Put settings in force, and fetch their views where gradients are accumulated directly."""
        attributes = self.__dict__  # torch's own way of setting attributes takes most of the time of a switch
        attributes["setting"] = setting
        if self._direct is not None:
            attributes["_parts"] = self._direct.parts(self, setting)

    def parts(self) -> tuple[torch.Tensor | None, ...]:
        """The parameters under the settings in force, in the order of `cuts`; views, never copies."""
        if self._direct is not None:
            self._direct.touch(self)
            return self._parts
        if self.policy is not None:
            return self.policy(self)
        return tuple(
            None if (full := self._parameters[name]) is None else full[cut] for name, cut in self.cuts(self.chosen()).items()
        )

    def kept_in(self, name: str) -> list[nn.Parameter]:
        """The full parameters that hold a parameter of the static twin; none where it has no such parameter."""
        full = self._parameters.get(name)
        return [] if full is None else [full]

    def in_force(self) -> dict[str, torch.Tensor | None]:
        """The parameters of the static twin by their names, under the settings in force."""
        return dict(zip(self.cuts(self.chosen()), self.parts(), strict=True))

    def copy_into(self, twin: nn.Module) -> nn.Module:
        """Give a static twin, built without memory, its own copies of the parameters in force."""
        with torch.no_grad():
            for name, part in self.in_force().items():
                if part is not None:
                    twin.register_parameter(name, nn.Parameter(part.detach().clone(memory_format=torch.contiguous_format)))
        return twin.train(self.training)


def duplicate(module: nn.Module) -> nn.Module:
    """A copy of a leaf that shares its tensors: torch's constructors and deep copies take ten times as long."""
    twin = type(module).__new__(type(module))
    for name, value in module.__dict__.items():
        twin.__dict__[name] = value.copy() if isinstance(value, dict | set | list) else value
    return twin


_blanks: dict[tuple[type[nn.Module], tuple[Any, ...]], nn.Module] = {}


def blank(kind: type[nn.Module], *arguments: Any) -> nn.Module:
    """A new module without memory, as `kind(*arguments, device="meta")` makes it."""
    found = _blanks.get((kind, arguments))
    if found is None:
        found = _blanks[kind, arguments] = kind(*arguments, device="meta")
    return duplicate(found)
