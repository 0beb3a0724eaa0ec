"""The supernet: every network of a space in shared weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx, nn

from nas.architectures import Architecture
from nas.base.errors import NasError
from nas.choices import evaluate, free_choices
from nas.elastic import Configurable
from nas.elastic.layer import Setting
from nas.supernet.extract import extract
from nas.supernet.statistics import Statistics, estimate, lent
from nas.supernet.task import Task

if TYPE_CHECKING:
    from nas.supernet.space import Space


class _Codes(dict[str, int]):
    """Codes by name; a choice of a single option is no decision, and has code 0."""

    def __missing__(self, name: str) -> int:
        return 0


class _Binding:
    """Modules whose settings depend on the same decisions; their settings are evaluated once for each joint option."""

    def __init__(self, columns: tuple[int, ...], names: tuple[str, ...]) -> None:
        self.columns = columns
        self.names = names
        self.modules: list[Configurable] = []
        self._known: dict[tuple[int, ...], list[Setting]] = {}
        self._active: tuple[int, ...] | None = None

    def activate(self, row: Sequence[int]) -> None:
        """Put the settings of a row's options in force."""
        key = tuple(row[column] for column in self.columns)
        if key == self._active:
            return
        for module, setting in zip(self.modules, self._settings(key), strict=True):
            module.activate(setting)
        self._active = key

    def settings(self, row: Sequence[int]) -> list[Setting]:
        """What a row sets the modules to."""
        return self._settings(tuple(row[column] for column in self.columns))

    def _settings(self, key: tuple[int, ...]) -> list[Setting]:
        settings = self._known.get(key)
        if settings is None:
            codes = _Codes(zip(self.names, key, strict=True))
            settings = self._known[key] = [
                tuple(_plain(evaluate(value, codes)) for value in module.settings.values()) for module in self.modules
            ]
        return settings


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


class Supernet(nn.Module):
    """A network of elastic layers with the space it belongs to.

    Call `activate` with an architecture, then use it as any torch module: `supernet(images)`. For evaluation it needs
    the batch-norm statistics of that architecture (`calibrate`, then `using`).

    Attributes:
        space: the space.
        network: the module that `space.build` made.
        task: channels, training resolution and classes.
    """

    def __init__(self, space: Space, network: nn.Module, task: Task) -> None:
        super().__init__()
        self.space = space
        self.network = network
        self.task = task
        bindings: dict[tuple[int, ...], _Binding] = {}
        for name, module in network.named_modules():
            if not isinstance(module, Configurable):
                continue
            choices = free_choices(*module.settings.values())
            unread = [
                choice.name for choice in choices if choice.name not in space.decisions.column and len(choice.options) > 1
            ]
            if unread:
                raise NasError(f"{name}: choice '{unread[0]}' is held by a module that forward never runs; run it or remove it")
            if choices:
                read = [choice for choice in choices if choice.name in space.decisions.column]
                read.sort(key=lambda choice: space.decisions.column[choice.name])
                columns = tuple(space.decisions.column[choice.name] for choice in read)
                names = tuple(choice.name for choice in read)
                bindings.setdefault(columns, _Binding(columns, names)).modules.append(module)
        self._bindings = list(bindings.values())
        self.activate(space.decisions.cardinalities - 1)

    def activate(self, architecture: Architecture | Mapping[str, Any] | np.ndarray) -> None:
        """Put one sub-network in force: an architecture (validated) or one integer row (D,), taken as it is."""
        if isinstance(architecture, np.ndarray):
            row = architecture.tolist()
        else:
            row = self.space.encode([self.space.validate(architecture)])[0].tolist()
        for binding in self._bindings:
            binding.activate(row)

    def settings(self, rows: np.ndarray) -> dict[Configurable, list[Setting]]:
        """What every module with decisions is set to in each of several rows (M, D), for passes that architectures share."""
        found: dict[Configurable, list[Setting]] = {}
        for row in rows.tolist():
            for binding in self._bindings:
                for module, setting in zip(binding.modules, binding.settings(row), strict=True):
                    found.setdefault(module, []).append(setting)
        return found

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (N, classes) of images (N, C, H, W) by the active sub-network."""
        return self.network(images)  # type: ignore[no-any-return]

    def frozen_copy(self) -> Supernet:
        """The same network on the same device, with the weights as they are now, which are not trained."""
        copy = self.space.supernet(self.task.channels, self.task.resolution, self.task.classes)
        copy.load_state_dict(self.state_dict())
        device = next(self.parameters()).device
        copy.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return copy.requires_grad_(False)

    def calibrate(self, batches: Sequence[torch.Tensor]) -> Statistics:
        """Batch-norm statistics of the active sub-network over the images, on buffers of its own."""
        return estimate(self.network, batches)

    @contextlib.contextmanager
    def using(self, statistics: Statistics) -> Iterator[None]:
        """Inside, the active sub-network evaluates with these statistics."""
        with lent(self.network, statistics):
            yield

    def extract(
        self, architecture: Architecture | Mapping[str, Any] | np.ndarray, statistics: Statistics | None = None
    ) -> fx.GraphModule:
        """One sub-network as a plain torch module with copies of its weights; see `nas.supernet.extract`.

        Args:
            statistics: from `calibrate`; without them batch norms start afresh, as torch's own do.
        """
        self.activate(architecture)
        with self.using(statistics or Statistics({})):
            return extract(self.network)
