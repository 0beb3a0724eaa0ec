"""Choices and the symbolic values derived from them. Free of torch."""

from nas.choices.choice import Choice, Option
from nas.choices.expression import (
    Codes,
    Expression,
    Value,
    all_of,
    any_of,
    assignments,
    bounds,
    ceil_div,
    evaluate,
    free_choices,
    make_divisible,
    maximum,
    minimum,
    negation,
    settled,
    where,
)
from nas.choices.tabulated import Tabulated, tabulated

__all__ = [
    "Choice",
    "Codes",
    "Expression",
    "Option",
    "Tabulated",
    "Value",
    "all_of",
    "any_of",
    "assignments",
    "bounds",
    "ceil_div",
    "evaluate",
    "free_choices",
    "make_divisible",
    "maximum",
    "minimum",
    "negation",
    "settled",
    "tabulated",
    "where",
]
