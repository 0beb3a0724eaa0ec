"""Values that depend on choices, kept symbolic until an architecture is given.

An expression is evaluated on *codes*: for each choice the index of the chosen option, as one integer or as an array with
one entry per architecture. The same expression therefore sizes a single layer and costs a million architectures.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from nas.base.errors import NasError

if TYPE_CHECKING:
    from nas.choices.choice import Choice

Codes: TypeAlias = Mapping[str, Any]
"""Choice name -> option index, an integer or an integer array; all arrays of one call have the same length."""

ENUMERATION_LIMIT = 1_000_000

SETTLING_LIMIT = 65_536
"""Values of more joint options than this are not examined for being constant."""


class Expression:
    """A symbolic value. Arithmetic and order comparisons build new expressions; equality stays identity.

    Use `Choice.equals` for a symbolic equality: an overloaded `==` would break dictionaries and sets.
    """

    choices: tuple[Choice, ...]
    """The choices that this value depends on, without repetition, in order of first use."""

    def evaluate(self, codes: Codes) -> Any:
        """The value under the given codes; an array when any of the codes it needs is one."""
        raise TypeError(f"{type(self).__name__} does not say how it is evaluated")

    def __add__(self, other: Value) -> Value:
        return combine("+", self, other)

    def __radd__(self, other: Value) -> Value:
        return combine("+", other, self)

    def __sub__(self, other: Value) -> Value:
        return combine("-", self, other)

    def __rsub__(self, other: Value) -> Value:
        return combine("-", other, self)

    def __mul__(self, other: Value) -> Value:
        return combine("*", self, other)

    def __rmul__(self, other: Value) -> Value:
        return combine("*", other, self)

    def __floordiv__(self, other: Value) -> Value:
        return combine("//", self, other)

    def __rfloordiv__(self, other: Value) -> Value:
        return combine("//", other, self)

    def __lt__(self, other: Value) -> Value:
        return combine("<", self, other)

    def __le__(self, other: Value) -> Value:
        return combine("<=", self, other)

    def __gt__(self, other: Value) -> Value:
        return combine(">", self, other)

    def __ge__(self, other: Value) -> Value:
        return combine(">=", self, other)

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self!r} has no truth value before an architecture is chosen; put what depends on it into "
            "nas.elastic.Optional, Depth or OperatorChoice"
        )

    def __index__(self) -> int:
        raise TypeError(f"{self!r} is no number before an architecture is chosen")


Value: TypeAlias = "int | float | bool | Expression"


class Operation(Expression):
    """A function of other values."""

    def __init__(self, symbol: str, operands: tuple[Value, ...]) -> None:
        self.symbol = symbol
        self.operands = operands
        self.choices = free_choices(*operands)
        self._function = _FUNCTIONS[symbol]

    def evaluate(self, codes: Codes) -> Any:
        """Evaluate the operands, then the function on them."""
        return self._function(*(evaluate(operand, codes) for operand in self.operands))

    def __repr__(self) -> str:
        if len(self.operands) == 2 and not self.symbol.isidentifier():
            return f"({self.operands[0]!r} {self.symbol} {self.operands[1]!r})"
        return f"{self.symbol}({', '.join(map(repr, self.operands))})"


def _divisible(value: Any, divisor: Any) -> Any:
    nearest = np.maximum(divisor, np.floor((np.asarray(value) + divisor / 2) / divisor).astype(np.int64) * divisor)
    raised = np.where(nearest < 0.9 * np.asarray(value), nearest + divisor, nearest)
    return raised if raised.ndim else int(raised)


def _where(condition: Any, yes: Any, no: Any) -> Any:
    if np.ndim(condition) == 0:
        return yes if condition else no
    return np.where(condition, yes, no)


def _number(value: Any) -> Any:
    """Truth values as 0 and 1, which numpy would join with "or" where Python adds."""
    return value * 1 if isinstance(value, np.ndarray | np.bool_) and value.dtype == bool else value


def _arithmetic(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: function(_number(left), _number(right))


def _extreme(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(left: Any, right: Any) -> Any:
        result = function(left, right)
        return result if np.ndim(result) else result.item()

    return apply


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "+": _arithmetic(operator.add),
    "-": _arithmetic(operator.sub),
    "*": _arithmetic(operator.mul),
    "//": _arithmetic(operator.floordiv),
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "maximum": _extreme(np.maximum),
    "minimum": _extreme(np.minimum),
    "ceil_div": _arithmetic(lambda value, divisor: -(-value // divisor)),
    "make_divisible": _divisible,
    "where": _where,
}


def combine(symbol: str, *operands: Value) -> Value:
    """Apply a function: at once where every operand is a plain number, symbolically otherwise."""
    if any(isinstance(operand, Expression) for operand in operands):
        return Operation(symbol, operands)
    result = _FUNCTIONS[symbol](*operands)
    return bool(result) if isinstance(result, np.bool_) else result


def evaluate(value: Value, codes: Codes) -> Any:
    """The value under the given codes; plain numbers pass through."""
    return value.evaluate(codes) if isinstance(value, Expression) else value


def free_choices(*values: Value) -> tuple[Choice, ...]:
    """Every choice that the values depend on, once each, in order of first use."""
    found: dict[str, Choice] = {}
    for value in values:
        if isinstance(value, Expression):
            for choice in value.choices:
                other = found.setdefault(choice.name, choice)
                if other is not choice and other != choice:
                    raise NasError(
                        f"two different choices are both named '{choice.name}': {other.options} and {choice.options}; "
                        "give each choice a name of its own"
                    )
    return tuple(found.values())


def assignments(choices: Iterable[Choice]) -> dict[str, np.ndarray]:
    """Codes of every joint assignment of the choices, one array a choice, the last choice varying fastest.

    Raises NasError beyond a million assignments.
    """
    ordered = tuple(choices)
    sizes = [len(choice.options) for choice in ordered]
    if math.prod(sizes) > ENUMERATION_LIMIT:
        names = ", ".join(choice.name for choice in ordered)
        raise NasError(f"one value depends on {math.prod(sizes):.1e} joint assignments of {names}; too many to enumerate")
    return {choice.name: column for choice, column in zip(ordered, _grid(tuple(sizes)), strict=True)}


@lru_cache(maxsize=64)
def _grid(sizes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    columns = np.unravel_index(np.arange(math.prod(sizes)), sizes) if sizes else ()
    for column in columns:
        column.flags.writeable = False
    return columns


def bounds(value: Value) -> tuple[Any, Any]:
    """The smallest and the largest value over all joint options of the choices it depends on."""
    if not isinstance(value, Expression):
        return value, value
    table = np.asarray(value.evaluate(assignments(value.choices)))
    return table.min().item(), table.max().item()


def settled(value: Value, where_true: Value = True) -> Value:
    """The plain number, where a value is the same in all architectures in which a condition holds; else the value."""
    if not isinstance(value, Expression):
        return value
    choices = free_choices(value, where_true)
    if math.prod(len(choice.options) for choice in choices) > SETTLING_LIMIT:
        return value
    codes = assignments(choices)
    table = np.asarray(value.evaluate(codes))
    if isinstance(where_true, Expression):
        table = np.broadcast_to(table, len(next(iter(codes.values()))))[np.asarray(where_true.evaluate(codes), dtype=bool)]
    if len(table) and (table == table[0]).all():
        return table[0].item()  # type: ignore[no-any-return]
    return value


def make_divisible(value: Value, divisor: int = 8) -> Value:
    """The nearest multiple of `divisor` (half up), at least `divisor`, and never more than 10 % below `value`."""
    return combine("make_divisible", value, divisor)


def ceil_div(value: Value, divisor: Value) -> Value:
    """Division rounded up."""
    return combine("ceil_div", value, divisor)


def maximum(left: Value, right: Value) -> Value:
    """The larger of two values."""
    return combine("maximum", left, right)


def minimum(left: Value, right: Value) -> Value:
    """The smaller of two values."""
    return combine("minimum", left, right)


def where(condition: Value, yes: Value, no: Value) -> Value:
    """`yes` in the architectures where the condition holds, `no` in the others."""
    if isinstance(condition, Expression):
        return yes if yes is no else combine("where", condition, yes, no)
    return yes if condition else no


def negation(condition: Value) -> Value:
    """True where the condition is false."""
    return combine("not", condition)


def all_of(conditions: Iterable[Value]) -> Value:
    """True where every condition holds; True for none."""
    return _join("and", conditions, neutral=True)


def any_of(conditions: Iterable[Value]) -> Value:
    """True where at least one condition holds; False for none."""
    return _join("or", conditions, neutral=False)


def _join(symbol: str, conditions: Iterable[Value], neutral: bool) -> Value:
    result: Value = neutral
    for condition in conditions:
        if isinstance(condition, Expression):
            result = condition if result is neutral else combine(symbol, result, condition)
        elif bool(condition) is not neutral:
            return not neutral
    return result
