"""A tree as the list of operators that its network runs, with their shapes, weights and multiply-adds.

Costs are sums over the list, and the network is built from it, so that neither can differ from the other.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from nas.base.errors import NasError
from nas.supernet import Task
from search_spaces.einspace.grammar import BRANCHES, JOINS, PERMUTATIONS, WIDTHS, WINDOWS
from search_spaces.einspace.shapes import State, branch, compute, join, route
from search_spaces.einspace.tree import Node


class Step(NamedTuple):
    """One operator.

    Attributes:
        name: what it does, see `search_spaces.einspace.network`.
        inputs: values read: 0 is the images, n what step n - 1 returned.
        shape: of what it returns, without the batch.
        data: its settings.
        parameters: weights it owns.
        macs: multiply-adds for one image.
    """

    name: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    data: tuple[Any, ...] = ()
    parameters: int = 0
    macs: int = 0


class Program:
    """The operators of a tree for a task, head included: the mean over positions, and a linear layer to the classes.

    Args:
        tree: one whose shapes fit the task.
        limit: most operators.

    Raises:
        NasError: there are more operators than the limit, or a shape does not fit.
    """

    def __init__(self, tree: Node, task: Task, limit: int) -> None:
        self.input_shape = task.input_shape
        self.limit = limit
        self.steps: list[Step] = []
        value, state = self._module(tree, 0, State(task.input_shape))
        axes = (2, 3) if len(state.shape) == 3 else (1,)
        width = state.shape[0] if len(state.shape) == 3 else state.shape[1]
        value = self._add("mean", (value,), (width,), axes)
        self._linear(value, (width,), task.classes, "classifier")

    @property
    def macs(self) -> int:
        """Multiply-adds of one image: linear layers and matrix products."""
        return sum(step.macs for step in self.steps)

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(step.parameters for step in self.steps)

    @property
    def activations(self) -> int:
        """Numbers in all tensors that hold new data, of one image: about what training keeps for the backward pass."""
        return sum(math.prod(step.shape) for step in self.steps if step.name not in VIEWS)

    def _add(
        self,
        name: str,
        inputs: tuple[int, ...],
        shape: tuple[int, ...],
        data: tuple[Any, ...] = (),
        parameters: int = 0,
        macs: int = 0,
    ) -> int:
        if len(self.steps) >= self.limit:
            raise NasError(f"the tree's network has more than {self.limit} operators, the limit of this space")
        self.steps.append(Step(name, inputs, shape, data, parameters, macs))
        return len(self.steps)

    def _module(self, node: Node, value: int, state: State) -> tuple[int, State]:
        if node.option == "branching":
            return self._branching(node, value, state)
        for child in node.children:
            if child.symbol == "M":
                value, state = self._module(child, value, state)
            elif child.symbol == "C":
                value, state = self._compute(child.option, value, state)
            else:
                value, state = self._route(child.option, value, state)
        return value, state

    def _branching(self, node: Node, value: int, state: State) -> tuple[int, State]:
        split, *modules, end = node.children
        rule = BRANCHES[split.option]
        part = _fits(branch(split.option, state))
        values = [value] * rule.factor
        if rule.dim is not None:
            data = (rule.factor, rule.dim)
            values = [self._add("chunk", (value,), part.shape, (*data, index)) for index in range(rule.factor)]
        copies = modules if len(modules) == rule.factor else modules * rule.factor
        leaving = [self._module(module, entering, part) for module, entering in zip(copies, values, strict=True)]
        return self._join(end.option, leaving)

    def _join(self, option: str, leaving: list[tuple[int, State]]) -> tuple[int, State]:
        rule = JOINS[option]
        values = [value for value, _ in leaving]
        states = [state for _, state in leaving]
        state = _fits(join(option, states))
        if rule.kind == "add":
            total = values[0]
            for value in values[1:]:
                total = self._add("add", (total, value), state.shape)
            return total, state
        if rule.kind == "concat":
            return self._add("concat", tuple(values), state.shape, (rule.dim,)), state
        inner = states[0].shape[-1]
        value = self._add("matmul", tuple(values), state.shape, macs=math.prod(state.shape) * inner)
        if rule.kind == "scaled-dot":
            value = self._add("scale", (value,), state.shape, (1.0 / math.sqrt(inner),))
        return value, state

    def _route(self, option: str, value: int, state: State) -> tuple[int, State]:
        after = _fits(route(option, state))
        if option in PERMUTATIONS:
            value = self._add("permute", (value,), after.shape, (0, *PERMUTATIONS[option]))
        elif option in WINDOWS:
            value = self._add("unfold", (value,), after.shape[::-1], WINDOWS[option].as_tuple)
            value = self._add("permute", (value,), after.shape, (0, 2, 1))
        elif option == "col2im":
            value = self._add("permute", (value,), state.shape[::-1], (0, 2, 1))
            value = self._add("unflatten", (value,), after.shape, after.shape[1:])
        return value, after

    def _compute(self, option: str, value: int, state: State) -> tuple[int, State]:
        after = compute(option, state)
        if option in WIDTHS:
            return self._linear(value, state.shape, WIDTHS[option]), after
        if option == "norm":
            image = len(state.shape) == 3
            width = state.shape[0] if image else state.shape[-1]
            name = "batch_norm" if image else "layer_norm"
            return self._add(name, (value,), after.shape, (width,), 2 * width), after
        if option == "position":
            return self._add("position", (value,), after.shape, after.shape, math.prod(after.shape)), after
        if option != "identity":
            value = self._add(option.replace("-", "_"), (value,), after.shape)
        return value, after

    def _linear(self, value: int, entering: tuple[int, ...], width: int, name: str = "linear") -> int:
        shape = (*entering[:-1], width)
        inner = entering[-1]
        return self._add(name, (value,), shape, (inner, width), width * (inner + 1), math.prod(shape) * inner)


VIEWS = frozenset({"chunk", "permute", "unflatten"})
"""Steps that return their input under another name or shape."""


def _fits(state: State | None) -> State:
    if state is None:
        raise NasError("the tree's shapes do not fit this task")
    return state
