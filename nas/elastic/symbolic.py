"""Tensors whose sizes depend on choices, and the recorder that listens while a network is walked with them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from nas.base.errors import NasError
from nas.choices import Choice, Expression, Tabulated, Value, all_of, assignments, evaluate, free_choices, settled
from nas.choices.expression import ENUMERATION_LIMIT, Operation, negation
from nas.elastic.unit import Unit

Shape = tuple[Value, ...]
Conjunction = dict[int, Value]
"""Conditions that hold together, by identity, so that one conjunction is seen to contain another without evaluating them."""


@dataclass(frozen=True)
class Operator:
    """One operator of the network, in every architecture at once.

    Attributes:
        kind: such as 'conv2d'; the cost rules are found by it.
        inputs: the tensors read, with batch 1.
        output: the tensor written.
        attributes: kernel, stride, groups, ... where they matter to a cost.
        parameters: how many weights the operator owns.
        guard: in which architectures the operator is run.
        path: the module that ran it.
        units: indices of the enclosing units, outermost first.
    """

    kind: str
    inputs: tuple[SymbolicTensor, ...]
    output: SymbolicTensor
    attributes: Mapping[str, Value]
    parameters: Value
    guard: Value
    path: str
    units: tuple[int, ...]


@dataclass
class UnitUse:
    """One unit of the network: what it is, where, in which architectures it is run, and how many operators come before it."""

    unit: Unit
    path: str
    input: Shape
    guard: Value
    parent: int | None
    step: int
    output: Shape = ()


@dataclass
class Recorder:
    """Collects operators, units and the conditions under which choices matter."""

    operators: list[Operator] = field(default_factory=list)
    units: list[UnitUse] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    conditions: list[Value] = field(default_factory=list)
    guards: list[Value] = field(default_factory=list)
    open_units: list[int] = field(default_factory=list)
    uses: dict[str, tuple[Choice, list[Conjunction]]] = field(default_factory=dict)
    tensors: int = 0
    _negations: dict[int, tuple[Value, Value]] = field(default_factory=dict)

    @property
    def guard(self) -> Value:
        """The condition under which the network reaches this place."""
        return self.guards[-1] if self.guards else True

    @property
    def path(self) -> str:
        """The module that is being walked."""
        return self.paths[-1] if self.paths else ""

    def tensor(self, shape: Shape) -> SymbolicTensor:
        """A new tensor of this walk."""
        self.tensors += 1
        return SymbolicTensor(self, shape, self.tensors - 1)

    @contextlib.contextmanager
    def only_where(self, condition: Value) -> Iterator[None]:
        """What is recorded inside happens only in the architectures where the condition holds."""
        self.use(condition)
        self.guards.append(all_of([self.guard, condition]))
        self.conditions.append(condition)
        try:
            yield
        finally:
            self.guards.pop()
            self.conditions.pop()

    def use(self, *values: Value) -> None:
        """Note that the choices behind these values matter here."""
        here: Conjunction = {id(condition): condition for condition in self.conditions if isinstance(condition, Expression)}
        for value in values:
            self._use(value, here)

    def _use(self, value: Value, conditions: Conjunction) -> None:
        if isinstance(value, Tabulated):
            value = value.source
        if not isinstance(value, Expression):
            return
        if isinstance(value, Operation) and value.symbol == "where":
            condition, yes, no = value.operands
            self._use(condition, conditions)
            self._use(yes, {**conditions, id(condition): condition})
            if isinstance(no, Expression):
                otherwise = self._negations.setdefault(id(condition), (condition, negation(condition)))[1]
                self._use(no, {**conditions, id(otherwise): otherwise})
        elif isinstance(value, Operation):
            for operand in value.operands:
                self._use(operand, conditions)
        else:
            for choice in value.choices:
                self._note(choice, conditions)

    def _note(self, choice: Choice, conditions: Conjunction) -> None:
        """Add a conjunction under which a choice matters, unless a weaker one is known already."""
        known, conjunctions = self.uses.setdefault(choice.name, (choice, []))
        if known != choice:
            raise NasError(
                f"two different choices are both named '{choice.name}': {known.options} and {choice.options}; "
                "give each choice a name of its own"
            )
        if not any(weaker.keys() <= conditions.keys() for weaker in conjunctions):
            conjunctions[:] = [other for other in conjunctions if not conditions.keys() <= other.keys()]
            conjunctions.append(conditions)

    def record(
        self,
        kind: str,
        inputs: tuple[SymbolicTensor, ...],
        shape: Shape,
        attributes: Mapping[str, Value] | None = None,
        parameters: Value = 0,
    ) -> SymbolicTensor:
        """Add an operator; returns its output."""
        output = self.tensor(shape)
        attributes = attributes or {}
        self.use(*shape, *attributes.values(), parameters)
        self.operators.append(
            Operator(kind, inputs, output, attributes, parameters, self.guard, self.path, tuple(self.open_units))
        )
        return output

    def require_same(self, first: Shape, second: Shape, what: str) -> None:
        """Raise NasError, naming the module, where two shapes that must agree differ in some architecture."""
        if len(first) == len(second) and all(same(a, b, self.guard) for a, b in zip(first, second, strict=True)):
            return
        raise NasError(f"{self.path or 'the network'}: {what} need the same shape, but have {show(first)} and {show(second)}")


def same(first: Value, second: Value, guard: Value = True) -> bool:
    """Whether two values agree in every architecture where the guard holds."""
    if first is second:
        return True
    if not isinstance(first, Expression) and not isinstance(second, Expression):
        return first == second
    choices = free_choices(first, second, guard)
    total = 1
    for choice in choices:
        total *= len(choice.options)
    if total <= ENUMERATION_LIMIT:
        codes = assignments(choices)
    else:
        rng = np.random.default_rng(0)
        codes = {choice.name: rng.integers(0, len(choice.options), 10_000) for choice in choices}
    differs = np.asarray(evaluate(first, codes) != evaluate(second, codes)) & np.asarray(evaluate(guard, codes), dtype=bool)
    return not differs.any()


def show(shape: Shape) -> str:
    """A shape for a message: plain numbers, and expressions in words."""
    return "(" + ", ".join(str(size) for size in shape) + ")"


class SymbolicTensor:
    """Stands for a tensor while the network is walked: sizes instead of numbers.

    Attributes:
        shape: (N, C, H, W) or (N, L, C) with N = 1, each a number or an expression.
    """

    def __init__(self, recorder: Recorder, shape: Shape, index: int) -> None:
        self.recorder = recorder
        self.shape = shape
        self.index = index

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return apply(function, args, kwargs or {})

    def __getattr__(self, name: str) -> Any:
        method = getattr(torch.Tensor, name, None)
        if name.startswith("_") or not callable(method):
            raise AttributeError(name)
        return lambda *args, **kwargs: apply(method, (self, *args), kwargs)

    def refined(self) -> SymbolicTensor:
        """The same tensor, its sizes plain numbers where the conditions of the present place leave but one."""
        guard = self.recorder.guard
        return SymbolicTensor(self.recorder, tuple(settled(size, guard) for size in self.shape), self.index)

    def dim(self) -> int:
        """How many dimensions the tensor has."""
        return len(self.shape)

    def size(self, dimension: int | None = None) -> Any:
        """The shape, or one size of it."""
        return self.shape if dimension is None else self.shape[dimension]

    def __add__(self, other: Any) -> Any:
        return apply(torch.add, (self, other), {})

    __radd__ = __add__
    __iadd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return apply(torch.sub, (self, other), {})

    def __rsub__(self, other: Any) -> Any:
        return apply(torch.Tensor.__rsub__, (self, other), {})

    def __mul__(self, other: Any) -> Any:
        return apply(torch.mul, (self, other), {})

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return apply(torch.div, (self, other), {})

    def __rtruediv__(self, other: Any) -> Any:
        return apply(torch.Tensor.__rtruediv__, (self, other), {})

    def __matmul__(self, other: Any) -> Any:
        return apply(torch.matmul, (self, other), {})

    def __pow__(self, other: Any) -> Any:
        return apply(torch.pow, (self, other), {})

    def __neg__(self) -> Any:
        return apply(torch.neg, (self,), {})

    def __getitem__(self, index: Any) -> Any:
        return apply(torch.Tensor.__getitem__, (self, index), {})


Rule = Callable[..., Any]
_RULES: dict[Any, Rule] = {}


def shape_rule(*functions: Any) -> Callable[[Rule], Rule]:
    """Register how a torch function changes symbolic shapes: called with the function's own arguments.

    A space of one's own that uses a function unknown here registers a rule for it, which records an operator through
    `SymbolicTensor.recorder` and returns its output.
    """

    def register(rule: Rule) -> Rule:
        for function in functions:
            _RULES[function] = rule
        return rule

    return register


def apply(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Run the rule of a torch function. Raises NasError, naming function and module, where there is none."""
    rule = _RULES.get(function)
    if rule is None:
        recorder = _recorder(args)
        name = getattr(function, "__name__", str(function))
        raise NasError(
            f"{recorder.path or 'the network'} uses '{name}', an operator that no cost is known for; register a rule with "
            "nas.elastic.shape_rule, or use a layer that is covered"
        )
    return rule(*args, **kwargs)


def _recorder(args: tuple[Any, ...]) -> Recorder:
    for argument in args:
        if isinstance(argument, SymbolicTensor):
            return argument.recorder
        if isinstance(argument, list | tuple):
            with contextlib.suppress(LookupError):
                return _recorder(tuple(argument))
    raise LookupError("no symbolic tensor among the arguments")
