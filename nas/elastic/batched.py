"""Several architectures in one forward and backward pass: each slot of the batch runs one of them.

Multi-architectural sampling (Liao et al., Searching for efficient multi-stage vision transformers, 2021). A batch is laid out
slot by slot. Between elastic layers its tensors have the widths of the largest network, with zeros in the channels that a
slot's architecture does not have; residual sums, activations and the loss run once for the whole batch. Prefix slices are
nested, so a layer may do either of two things, and every slot equals a pass of its own:

- multiply the whole batch with the whole weights, and put zeros where a slot has no channels (`Slots.masked`);
- take each slot's own channels, do what an ordinary pass does, and fill up with zeros (`Slots.apart`). Layer norms then see
  the channels in use alone and batch norms the slot's examples alone; what a mask would multiply by zero is not computed.

Layers that can do both take the cheaper one. A block that a slot does not have does not run on its examples.

The protocol for modules of one's own that read decisions (`nas.elastic.Configurable`): write

    def batched(self, slots, *inputs): ...

and call it at the top of `forward` where `self._slots` is not None. `slots.settings(self)` are the settings, one for each
slot in force. Three ways suffice for all the modules of this project:

- `slots.grouped(keys, run, *inputs)` for structure: `run(key, *inputs)` once for all slots of the same key;
- `slots.apart(self, x, axis, before, after)` for arithmetic; such a class says `runs_apart = True`, and the modules inside it
  need nothing;
- `slots.mask(...)` for a tensor that has no examples yet.

What stands between elastic layers must map zero to zero in each channel (ReLU, GELU, SiLU, hard swish, pooling, dropout), or
be multiplied with something that is zero there (the gate of squeeze-and-excitation).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from nas.choices import bounds, free_choices
from nas.elastic.layer import Configurable, Setting
from nas.elastic.slot_views import Narrow, Widen

SMALL = 256
"""Positions (examples times tokens or pixels) of a slot below which its weights are not sliced. Multiplying by zeros then costs
less than going through the weights and their gradients once for each slot."""


class Slots:
    """The architectures that share a pass of one network, and which examples are whose.

    Args:
        network: built of elastic layers; see `unbatchable` for those that cannot be used so.

    Attributes:
        counts: examples of each slot in force, in the order in which they lie in the batch.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.counts: tuple[int, ...] = ()
        self._members: tuple[int, ...] = ()
        self._settings: Mapping[Configurable, Sequence[Setting]] = {}
        self._attached = [module for module in network.modules() if isinstance(module, Configurable) and differs(module)]
        self._inside: dict[nn.Module, list[Configurable]] = {}
        self._largest: dict[Configurable, Setting] = {}
        self._masks: dict[tuple[Hashable, ...], torch.Tensor] = {}

    @contextlib.contextmanager
    def running(self, settings: Mapping[Configurable, Sequence[Setting]], counts: Sequence[int]) -> Iterator[Slots]:
        """Inside, the network takes batches of sum(counts) examples, those of slot 0 first.

        Args:
            settings: of every module with decisions, one for each slot; see `nas.supernet.Supernet.settings`.
        """
        before = {module: module.setting for module in self._attached}
        self._settings, self.counts, self._members = settings, tuple(counts), tuple(range(len(counts)))
        _attach(self._attached, self)
        try:
            yield self
        finally:
            _attach(self._attached, None)
            self._masks.clear()
            for module, setting in before.items():
                if setting is not None:
                    module.activate(setting)

    def run(self, images: torch.Tensor, forward: Callable[[torch.Tensor], Any]) -> Any:
        """A forward of the network on examples of which number i belongs to slot i modulo M, M the number of slots.

        Args:
            images: (N, ...), M <= N. Slots have N // M examples, the first N % M of them one more.
            forward: batch -> one tensor or several, whose first dimension is the batch's.

        Returns:
            What `forward` returns, its examples in the order of `images`.
        """
        slots = len(self.counts)
        order = torch.cat([torch.arange(slot, len(images), slots) for slot in range(slots)]).to(images.device)
        laid_out = images if slots == 1 else images[order]
        if images.dim() == 4 and images.is_contiguous(memory_format=torch.channels_last):
            laid_out = laid_out.contiguous(memory_format=torch.channels_last)
        back = order.argsort()
        results = forward(laid_out)
        if isinstance(results, torch.Tensor):
            return results[back]
        return tuple(result[back] for result in results)

    def settings(self, module: Configurable) -> tuple[Setting, ...]:
        """The module's settings in the slots in force."""
        given = self._settings.get(module)
        return tuple(module.chosen() if given is None else given[member] for member in self._members)

    def largest(self, module: Configurable) -> Setting:
        """The largest value of each of the module's settings in the space."""
        found = self._largest.get(module)
        if found is None:
            found = self._largest[module] = tuple(bounds(value)[1] for value in module.settings.values())
        return found

    def grouped(
        self, keys: Sequence[Hashable], run: Callable[..., torch.Tensor], *inputs: torch.Tensor, width: int | None = None
    ) -> torch.Tensor:
        """`run(key, *inputs)` once for each different key, on the examples of all the slots that have it.

        Args:
            keys: one for each slot in force.
            inputs: (N, ...) each.
            width: channels (axis 1) of the result, where those of `run` differ from key to key.
        """
        places: dict[Hashable, list[int]] = {}
        for place, key in enumerate(keys):
            places.setdefault(key, []).append(place)
        if len(places) == 1:
            return _of_width(run(keys[0], *inputs), width)
        pieces = [x.split(self.counts) for x in inputs]
        results: list[torch.Tensor] = [inputs[0]] * len(keys)
        for key, members in places.items():
            given = [torch.cat([piece[m] for m in members]) if len(members) > 1 else piece[members[0]] for piece in pieces]
            with self._only(members):
                result = _of_width(run(key, *given), width)
                parts = result.split(self.counts) if len(members) > 1 else (result,)
            for member, part in zip(members, parts, strict=True):
                results[member] = part
        return torch.cat(results)

    def apart(self, module: Configurable, x: torch.Tensor, axis: int, before: Sequence[int], after: int) -> torch.Tensor:
        """The module's ordinary forward, slot by slot; one run for all the slots where they agree in every setting.

        Args:
            axis: of the channels, of `x` and of the result.
            before: channels in use of each slot in force.
            after: channels of the result, of which those that a slot does not use are zero.
        """
        inside = self._inside.get(module)
        if inside is None:
            inside = [found for found in module.modules() if isinstance(found, Configurable) and differs(found)]
            self._inside[module] = inside
        keys = list(zip(*(self.settings(found) for found in inside), strict=True))
        counts: tuple[int, ...] = self.counts
        if all(key == keys[0] for key in keys) and not any(found.by_slot for found in inside):
            keys, counts, before = keys[:1], (sum(counts),), before[:1]
        whole = len(counts) == 1 and before[0] == x.shape[axis]
        pieces = (x,) if whole else Narrow.apply(x, axis, counts, tuple(before))
        results = []
        _attach(inside, None)
        try:
            for key, piece in zip(keys, pieces, strict=True):
                for found, setting in zip(inside, key, strict=True):
                    found.activate(setting)
                results.append(module.forward(piece))
        finally:
            _attach(inside, self)
        if len(results) == 1 and results[0].shape[axis] == after:
            return results[0]  # type: ignore[no-any-return]
        return Widen.apply(axis, after, *results)  # type: ignore[no-any-return]

    def small(self, x: torch.Tensor, axis: int) -> bool:
        """Whether slots are so small that one product with the whole weights is cheaper than one for each slot with its own."""
        return x.numel() // x.shape[axis] < SMALL * len(self.counts)

    def whole(self, module: Configurable, x: torch.Tensor, setting: Setting) -> torch.Tensor:
        """The module's ordinary forward on all examples, in one setting."""
        module.activate(setting)
        _attach((module,), None)
        try:
            return module.forward(x)  # type: ignore[no-any-return]
        finally:
            _attach((module,), self)

    def masked(self, module: Configurable, x: torch.Tensor, setting: Setting, axis: int, widths: Sequence[int]) -> torch.Tensor:
        """The same with zeros in the channels that a slot does not have.

        Args:
            setting: its first channels are what each slot computes.
            axis: of the channels of the result.
            widths: of the result, for each slot in force.
        """
        result = self.whole(module, x, setting)
        mask = self.mask(widths, result, axis)
        return result if mask is None else result.mul_(mask)

    def mask(self, widths: Sequence[int], like: torch.Tensor, axis: int) -> torch.Tensor | None:
        """(N, ..., C, ...) with C along `axis` and 1 elsewhere: one for the channels in use of each example, zero beyond.

        Args:
            widths: of each slot in force.
            like: a tensor with all C channels.

        Returns:
            None where all of them are in use.
        """
        axis %= like.dim()
        full = like.shape[axis]
        if min(widths) == full:
            return None
        key = (self._members, tuple(widths), full, like.dim(), axis, like.dtype)
        found = self._masks.get(key)
        if found is None:
            used = torch.arange(full)[None] < torch.tensor(widths)[:, None]
            shape = [1] * like.dim()
            shape[0], shape[axis] = sum(self.counts), full
            repeated = used.repeat_interleave(torch.tensor(self.counts), 0).view(shape)
            found = self._masks[key] = repeated.to(like.device, like.dtype)
        return found

    @contextlib.contextmanager
    def _only(self, places: Sequence[int]) -> Iterator[None]:
        """Inside, only these of the slots in force are in force."""
        kept = self.counts, self._members
        self.counts = tuple(kept[0][place] for place in places)
        self._members = tuple(kept[1][place] for place in places)
        try:
            yield
        finally:
            self.counts, self._members = kept


def slot_counts(examples: int, slots: int) -> tuple[int, ...]:
    """Examples of each slot where example i belongs to slot i modulo `slots`."""
    return tuple((examples - slot + slots - 1) // slots for slot in range(slots))


def differs(module: Configurable) -> bool:
    """Whether a module must know which example belongs to whom: a module that runs apart also for the sake of those inside."""
    if module.by_slot or free_choices(*module.settings.values()):
        return True
    inside = (found for found in module.modules() if isinstance(found, Configurable) and found is not module)
    return module.runs_apart and any(map(differs, inside))


def _attach(modules: Sequence[Configurable], slots: Slots | None) -> None:
    for module in modules:
        module.__dict__["_slots"] = slots


def _of_width(x: torch.Tensor, width: int | None) -> torch.Tensor:
    """The tensor with so many channels, cut off or filled up with zeros."""
    if width is None or x.shape[1] == width:
        return x
    return x[:, :width] if x.shape[1] > width else torch.cat((x, x.new_zeros(len(x), width - x.shape[1], *x.shape[2:])), 1)
