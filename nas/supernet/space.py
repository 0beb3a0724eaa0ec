"""A search space, written once as a network of elastic layers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx, nn
from torch.overrides import TorchFunctionMode

from nas.architectures import Architecture, Decisions, Encoding, SearchSpace
from nas.architectures.decisions import Rows
from nas.base.errors import NasError, unknown
from nas.base.seeds import integer_seed
from nas.base.units import COUNT, MEMORY, Quantity
from nas.choices import Option, evaluate
from nas.costs import (
    MEMORY_MODELS,
    WEIGHT_MODELS,
    CompiledCost,
    Estimator,
    LatencyTable,
    RowCost,
    Term,
    is_tabled,
    latency_terms,
    memory_cost,
    summed_terms,
    table_of,
    tabled_metrics,
)
from nas.elastic import Dimension, Walk, walk
from nas.elastic.batchable import unbatchable
from nas.supernet.blocks import Blocks, NotDivisible
from nas.supernet.dimensions import find_dimensions, widths_by_depth
from nas.supernet.relaxation import NotRelaxable, Relaxation, operator_relaxation
from nas.supernet.supernet import Supernet
from nas.supernet.task import Task

if TYPE_CHECKING:
    import networkx

COUNTED = {"macs": COUNT, "params": COUNT, "memory": MEMORY}
"""The costs that every space has, with the units in which they are written."""

WALKED = {**COUNTED, **dict.fromkeys([*MEMORY_MODELS, *WEIGHT_MODELS], MEMORY)}
"""Those of a space whose networks are walked together: also the bytes that they take on small devices."""


class _Uninitialised(TorchFunctionMode):
    """Inside, the functions of torch.nn.init leave their tensors as they are: without memory there is nothing to fill."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


class Space(SearchSpace):
    """A search space with its networks.

    Everything is read from one definition: `build(task)` returns a torch module made of elastic layers. The decisions,
    when they matter, the supernet, each static network and every cost follow from it.

    Args:
        name: as the user types it.
        build: makes the network for a `Task`.
        known: published architectures by name.
        task: what the space's paper builds it for; the default for costs.
        summary: one line for `nas spaces`.
        source: the paper.
        isomorphism, size: see `nas.architectures.Decisions`.
        graphs: what `nas draw` shows of an architecture instead of its chain of blocks: graphs by title, such as the two
            cells; see `nas.drawing.states` for the attributes that are read.
        relaxation: how the decisions of a network are seen as choices between operators, for trainers with architecture
            parameters; by default `operator_relaxation`.
        encoding: how predictors see its architectures; by default by the one-hot of the decisions, and as a chain of them.
        notation: reads an architecture in the notation of the space's paper, such as the strings of NAS-Bench-201.
    """

    separate = False
    """Whether every network is built and trained by itself, as in a `SeparateSpace`: there is no supernet then."""

    recipe: Mapping[str, Any] = MappingProxyType({})
    """Figures of the training of one network, where networks are trained by themselves."""

    _whole: Space | None = None

    _estimators: dict[str, Estimator] | None = None
    """Those of tables by metric, where estimates are allowed."""

    _encoding: Callable[[Decisions], Encoding] = Encoding

    _notation: Callable[[str], Mapping[str, Option]] | None = None

    def __init__(
        self,
        name: str,
        build: Callable[[Task], nn.Module],
        known: Mapping[str, Mapping[str, Option]] | None = None,
        task: Task | None = None,
        summary: str = "",
        source: str = "",
        isomorphism: Callable[[Rows], Rows] | None = None,
        graphs: Callable[[Architecture], Mapping[str, networkx.DiGraph]] | None = None,
        size: int | None = None,
        relaxation: Callable[[Decisions, nn.Module], Relaxation] = operator_relaxation,
        encoding: Callable[[Decisions], Encoding] = Encoding,
        notation: Callable[[str], Mapping[str, Option]] | None = None,
    ) -> None:
        self.build = build
        self.graphs = graphs
        self._relaxation = relaxation
        self._encoding = encoding
        self._notation = notation
        self.task = task or Task()
        self.summary = summary
        self.source = source
        self._walks: dict[Task, Walk] = {}
        self._costs: dict[tuple[str, Task], tuple[LatencyTable | None, CompiledCost]] = {}
        found = self.walk(self.task)
        super().__init__(name, Decisions(found.choices, found.conditions, isomorphism, size), known)

    @property
    def whole(self) -> Space:
        """The space of which this is a part, see `nas.supernet.restricting`; else this space."""
        return self._whole or self

    def at(self, *tasks: Task) -> Space:
        """The space for the tasks of a run; only a space whose legal architectures depend on the task returns another."""
        return self

    def walk(self, task: Task | None = None) -> Walk:
        """The operators, units and choices of every architecture for a task; built without memory, once for each task."""
        task = task or self.task
        if task not in self._walks:
            found = walk(self.without_memory(task), task.input_shape)
            if found.output != (1, task.classes):
                raise NasError(f"the network must return (N, {task.classes}) scores; it returns {found.output}")
            self._walks[task] = found
        return self._walks[task]

    def counting_walk(self, task: Task | None = None) -> Walk:
        """The walk for sums over operators: a guard may be a whole number, how often the operator is run, where a space
        records what repeats only once."""
        return self.walk(task)

    def relax(self, network: nn.Module) -> Relaxation:
        """The choices of a network that `build` made, as edges for architecture parameters.

        Raises:
            NotRelaxable: some decision is no choice between operators.
        """
        return self._relaxation(self.decisions, network)

    def parse(self, text: str) -> Architecture:
        """An architecture from text: JSON, the name of a known network, or the notation of the space's paper, if it has one.

        Raises:
            NasError: it is none of these.
        """
        text = text.strip()
        if text in self._known:
            return self.known[text]
        if self._notation is not None and not text.startswith("{"):
            return self.validate(self._notation(text))
        return self.validate(text)

    @cached_property
    def encoding(self) -> Encoding:
        """How predictors see the space's architectures."""
        return self._encoding(self.decisions)

    @cached_property
    def unrelaxable(self) -> str | None:
        """Why the space has no relaxation; None where it has one."""
        try:
            self.relax(self.without_memory(self.task))
        except NotRelaxable as error:
            return str(error)
        return None

    @cached_property
    def dimensions(self) -> Mapping[str, Dimension]:
        """Decision -> what it changes, such as 'kernel' or 'depth'; see `nas.supernet.dimensions`."""
        return find_dimensions(self.decisions, self.without_memory(self.task))

    @cached_property
    def widths_by_depth(self) -> Mapping[str, str]:
        """Decision of a width inside one stage -> decision of that stage's depth."""
        return widths_by_depth(self.decisions, self.without_memory(self.task), self.dimensions)

    def blocks(self, network: nn.Module, task: Task) -> Blocks:
        """The blocks of a network that `build` made for a task; see `nas.supernet.blocks`.

        Raises:
            NotDivisible: it cannot be trained block by block.
        """
        return Blocks(self, network, task.input_shape)

    @cached_property
    def indivisible(self) -> str | None:
        """Why the space cannot be trained block by block; None where it can."""
        try:
            self.blocks(self.without_memory(self.task), self.task)
        except NotDivisible as error:
            return str(error)
        return None

    @cached_property
    def unbatchable(self) -> str | None:
        """Why several architectures cannot share a pass of the supernet; None where they can."""
        return unbatchable(self.without_memory(self.task), self.task.input_shape)

    def without_memory(self, task: Task | None = None) -> nn.Module:
        """The network for a task, on the meta device: for reading its modules."""
        task = task or self.task
        with torch.device("meta"), _Uninitialised():
            return self.build(task)

    def walk_of(self, row: np.ndarray, task: Task | None = None) -> Walk:
        """The operators among which those of one architecture, (D,) option indices, are found."""
        return self.walk(task)

    def input_shape(self, architecture: Architecture, task: Task | None = None) -> tuple[int, int, int]:
        """(C, H, W) of the images that an architecture works on: smaller than the task's where its resolution is searched."""
        task = task or self.task
        row = self.encode([architecture])[0]
        codes = dict(zip(self.decisions.names, row.tolist(), strict=True))
        resize = self.walk_of(row, task).image_resize
        if resize is None:
            return task.input_shape
        channels, height, width = (int(evaluate(size, codes)) for size in resize.output.shape[1:])
        return channels, height, width

    def with_estimates(self) -> Space:
        """This space with latencies also by tables that lack some of its operators: those are estimated, see
        `nas.costs.Estimator`. `nas.supernet.estimated` tells which of a network's are."""
        found = copy.copy(self)
        found._costs = {}
        found._estimators = {}
        return found

    def estimator(self, table: LatencyTable) -> Estimator | None:
        """What stands in for operators that a table lacks; None where estimates were not asked for."""
        if self._estimators is None:
            return None
        known = self._estimators.get(table.metric)
        if known is None or known.table is not table:
            known = self._estimators[table.metric] = Estimator(table)
        return known

    def metrics(self) -> dict[str, Quantity]:
        """Every cost this space can be asked for by name, with its unit."""
        return {**WALKED, **tabled_metrics()}

    def device_of(self, metric: str) -> LatencyTable | None:
        """The table behind a metric such as 'pixel-latency' or 'board-energy', aliases included; None for the counted costs.

        Raises:
            NasError: the metric is unknown.
        """
        if metric in WALKED:
            return None
        if not is_tabled(metric):
            raise unknown("metric", metric, self.metrics())
        return table_of(metric)

    def task_of(self, metric: str, task: Task | None = None) -> Task:
        """The task at which a metric is computed: a table's own for latencies, the given or the space's for counts.

        A latency table was measured at some resolutions, with one number of classes; asking it for another resolution is an
        error. Without a task it is the space's own resolution where that was measured, else the largest that was. Where the
        resolution is searched, the task's is that of the largest option, and `latency_terms` tells the options apart.
        """
        table = self.device_of(metric)
        return (task or self.task) if table is None else self.task_for(table, task)

    def task_for(self, table: LatencyTable, task: Task | None = None) -> Task:
        """The task at which a latency table is summed up; see `task_of`."""
        own = (task or self.task).resolution
        if not self.separate and self.walk(self.task).image_resize is not None:
            return Task(table.channels, own, table.classes)
        if task is not None and own not in table.resolutions:
            raise NasError(
                f"table '{table.name}' was measured at {table.sides} and says nothing about {own} px; "
                f"use --deploy-resolution {table.resolutions[-1]}, or a table for {own} px"
            )
        return Task(table.channels, table.resolution_for(own), table.classes)

    def compiled(self, metric: str, task: Task | None = None) -> RowCost:
        """A cost as a function of integer rows (N, D) -> (N,).

        Args:
            metric: 'macs' (multiply-adds), 'params', 'memory' (bytes of peak activation), one of the other memory models
                (see `nas.costs.memory`), 'weights' or 'mcu-weights' (bytes, see `nas.costs.weights`), '<device>-latency'
                (ms), or '<device>-energy' (mJ) where its table has energies.
            task: for counts the space's own by default; a table is always evaluated at its own.
        """
        table = self.device_of(metric)
        at = self.task_of(metric, task)
        name = metric if table is None else table.metric
        known, cost = self._costs.get((name, at), (None, None))
        if cost is None or known is not table:  # a table of the user's own can be replaced
            cost = (
                memory_cost(self.whole.decisions, self.walk(at), MEMORY_MODELS[name])
                if name in MEMORY_MODELS
                else CompiledCost(self.whole.decisions, self.terms(metric, task))
            )
            self._costs[name, at] = table, cost
        return cost

    def terms(self, metric: str, task: Task | None = None) -> list[Term]:
        """The terms of a cost that is a sum, one for each operator or unit: what `compiled` adds up.

        Raises:
            NasError: the metric is unknown, is no sum, or its table does not cover the space.
        """
        table = self.device_of(metric)
        found = self.walk(self.task_of(metric, task))
        if table is not None:
            return latency_terms(found, table, self.estimator(table))
        if metric in MEMORY_MODELS:
            raise NasError("the peak memory of a network is no sum over its operators; use macs, params or a device's latency")
        return summed_terms(found, metric)

    def cost(
        self, metric: str, architectures: Architecture | Iterable[Architecture] | np.ndarray, task: Task | None = None
    ) -> Any:
        """The cost of one architecture (a float), or of several or of integer rows (an array (N,)).

        Raises:
            NasError: the metric is unknown, its table does not cover the space, or was not measured at the resolution of one of
                the architectures.
        """
        if isinstance(architectures, np.ndarray):
            rows = self.decisions.check(architectures)
        else:
            rows = self.encode([architectures] if isinstance(architectures, Architecture) else architectures)
        costs = self.compiled(metric, task)(rows)
        unknown_costs = np.flatnonzero(np.isinf(costs))
        if len(unknown_costs):
            table = self.device_of(metric)
            side = self.input_shape(self.decode(rows[unknown_costs[:1]])[0], self.task_of(metric, task))[-1]
            raise NasError(
                f"table '{table.name if table else metric}' was measured at {table.sides if table else 'other sizes'} and says "
                f"nothing about images of {side} px, on which this architecture works; choose one of another resolution"
            )
        return float(costs[0]) if isinstance(architectures, Architecture) else costs

    def network(self, architecture: Architecture, task: Task, seed: int = 0) -> fx.GraphModule:
        """One architecture as a plain torch module with fresh weights."""
        return self.supernet(task.channels, task.resolution, task.classes, seed).extract(architecture)

    def supernet(self, channels: int = 3, resolution: int | None = None, classes: int = 1000, seed: int = 0) -> Supernet:
        """A supernet with fresh weights drawn from the seed; resolution is the one it will be trained at."""
        task = Task(channels, resolution or self.task.resolution, classes)
        with torch.random.fork_rng():
            torch.default_generator.manual_seed(integer_seed(seed, "weights"))
            network = self.build(task)
        return Supernet(self, network, task)

    @cached_property
    def one_line(self) -> str:
        """Size, decisions and summary for a listing."""
        return f"{self.size:.1e} networks, {len(self.decisions)} decisions; {self.summary}"
