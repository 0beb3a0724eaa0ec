"""What the user asks for, turned into choices."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from torch import nn

from nas.base.errors import NasError, unknown
from nas.choices import Choice, Value, make_divisible
from nas.elastic.conversion.flow import Flow, Layer
from nas.elastic.conversion.widths import Layout, Node, length, reasons, resolved

Options: TypeAlias = Sequence[int | float] | Choice
"""Options from the smallest to the largest; a `Choice` names the decision, and may be given to several."""

MOST_SHOWN = 3
"""Of many layers or reasons, a message names this many."""


@dataclass
class Group:
    """What one choice decides: its kind ('width', 'kernel', 'depth', 'kept'), and the layers or blocks it is about."""

    kind: str
    choice: Choice
    members: list[str]


@dataclass(frozen=True)
class LeftAlone:
    """A layer that a pattern matched and that stays as it is."""

    name: str
    asked: str
    reason: str


@dataclass
class Plan:
    """Everything decided about the network that is to be built.

    Attributes:
        values: units of the nodes that change.
        kernels: layer name -> side of its kernel.
        kept: block name -> whether it is run.
        groups: for the report.
        left: what was matched and cannot change.
    """

    values: dict[Node, Value] = field(default_factory=dict)
    kernels: dict[str, Value] = field(default_factory=dict)
    kept: dict[str, Value] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    left: list[LeftAlone] = field(default_factory=list)

    def note(self, kind: str, choice: Choice, member: str) -> None:
        """Add to the report."""
        for group in self.groups:
            if group.choice == choice and group.kind == kind:
                if member not in group.members:
                    group.members.append(member)
                return
        self.groups.append(Group(kind, choice, [member]))


def is_pattern(key: str) -> bool:
    """Whether a key has wildcards, as of file names; '*' also matches dots."""
    return any(character in key for character in "*?[")


def by_rank(requests: Mapping[str, Options]) -> list[tuple[str, Options]]:
    """Exact names first: they win over patterns."""
    return sorted(requests.items(), key=lambda item: is_pattern(item[0]))


def matched(flow: Flow, key: str, kinds: tuple[type[nn.Module], ...], what: str) -> list[Layer]:
    """The layers of some types that a key names, in the order of the forward. Raises NasError where there is none."""
    fitting = [layer for layer in flow.layers.values() if isinstance(layer.module, kinds)]
    if is_pattern(key):
        found = [layer for layer in fitting if fnmatch.fnmatchcase(layer.name, key)]
        if not found:
            raise NasError(f"the pattern '{key}' matches no {what}; there are: {', '.join(layer.name for layer in fitting)}")
        return found
    modules = dict(flow.module.named_modules(remove_duplicate=False))
    if key not in modules:
        raise unknown("layer", key, [layer.name for layer in fitting])
    found = [layer for layer in fitting if layer.module is modules[key]]
    if found:
        return found
    name = type(modules[key]).__name__
    if next(modules[key].children(), None) is not None:
        raise NasError(f"'{key}' is a {name}; name a {what}, or '{key}.*' for all within")
    called = "" if modules[key] in [layer.module for layer in flow.layers.values()] else ", or one that the forward never calls"
    raise NasError(f"'{key}' is a {name}{called}; name a {what}")


def choice_of(options: Options, name: str) -> Choice:
    """The choice itself, or one of that name. Raises NasError for options that are no numbers in order of size."""
    values = tuple(options.options if isinstance(options, Choice) else options)
    if not values or any(isinstance(value, bool | str) or not isinstance(value, int | float) for value in values):
        raise NasError(f"options for '{name}' must be numbers from the smallest to the largest; given {options!r}")
    if list(values) != sorted(set(values)):
        raise NasError(f"options for '{name}' must go from the smallest to the largest, none twice; given {values}")
    return options if isinstance(options, Choice) else Choice(name, values)


def plan_widths(plan: Plan, flow: Flow, requests: Mapping[str, Options], divisor: int) -> None:
    """Give the groups of layers that the requests name a choice each.

    Raises:
        NasError: an exact name cannot be made elastic, or two requests of the same rank disagree about one group.
    """
    asked: dict[Node, tuple[str, Options, Choice]] = {}
    for key, options in by_rank(requests):
        layers = matched(flow, key, (nn.Conv2d, nn.Linear), "convolution or linear layer")
        # A layer whose output is cut into several parts comes after those that have one part each to themselves.
        for layer in sorted(layers, key=lambda layer: len(set(resolved(layer.layouts["out"]))) > 1):
            nodes = list(dict.fromkeys(node for node, _ in resolved(layer.layouts["out"])))
            others = [asked[node] for node in nodes if node in asked]
            overruled = [other for other in others if is_pattern(other[0]) == is_pattern(key) and not _agree(other[1], options)]
            if overruled:
                raise NasError(
                    f"'{overruled[0][0]}' and '{key}' ask for different widths of layers that must be equally wide: "
                    f"{overruled[0][1]} and {options} ({layer.name} is tied to {_some(list(_tied(flow, layer)), ', ')})"
                )
            open_nodes = [node for node in nodes if node not in asked]
            try:
                choice = others[0][2] if others else choice_of(options, f"{layer.name}.width")
                values = _units(flow, layer, choice, divisor, isinstance(options, Choice))
            except NasError as error:
                if not is_pattern(key):
                    raise
                plan.left.append(LeftAlone(layer.name, f"widths '{key}'", str(error)))
                continue
            for node in open_nodes:
                asked[node] = (key, options, choice)
                plan.values[node] = values[node]
        require_one(plan, f"widths '{key}'", len(layers))
    for layer in flow.layers.values():
        for node, _ in resolved(layer.layouts.get("out", ())):
            if node in asked:
                plan.note("width", asked[node][2], layer.name)


def require_one(plan: Plan, asked: str, count: int) -> None:
    """Raise NasError where everything that a pattern matched was left alone."""
    left = [entry for entry in plan.left if entry.asked == asked]
    if len(left) == count:
        shown = "; ".join(f"{entry.name}: {entry.reason}" for entry in left[:3])
        raise NasError(f"nothing that {asked} matches can be made elastic: {shown}")


def _agree(first: Options, second: Options) -> bool:
    if isinstance(first, Choice) or isinstance(second, Choice):
        return first == second
    return sorted(first) == sorted(second)


def _some(texts: Sequence[str], between: str) -> str:
    """The first few, and how many more there are."""
    more = [f"and {len(texts) - MOST_SHOWN} more"] if len(texts) > MOST_SHOWN else []
    return between.join([*texts[:MOST_SHOWN], *more])


def _tied(flow: Flow, layer: Layer) -> Iterator[str]:
    nodes = {node for node, _ in resolved(layer.layouts["out"])}
    for other in flow.layers.values():
        if other is not layer and nodes & {node for node, _ in resolved(other.layouts.get("out", ()))}:
            yield other.name


def _units(flow: Flow, layer: Layer, choice: Choice, divisor: int, named: bool) -> dict[Node, Value]:
    """For each node of a layer's output, the units under each option; a choice named by the user may repeat some."""
    layout = resolved(layer.layouts["out"])
    fixed = reasons(layout)
    if fixed:
        tied = list(_tied(flow, layer))
        also = f" (tied to {_some(tied, ', ')})" if tied else ""
        raise NasError(f"the width of {layer.name}{also} cannot change: {_some(fixed, '; ')}")
    total = length(layout)
    ratios = any(isinstance(option, float) for option in choice.options)
    wrong = [o for o in choice.options if isinstance(o, bool | str) or not 0 < o <= (1 if ratios else total)]
    if wrong:
        raise NasError(
            f"widths of {layer.name} are channels from 1 to its own {total}, or ratios up to 1.0; given {choice.options}"
        )
    if choice.options[-1] != (1 if ratios else total):
        raise NasError(
            f"the last of the widths of {layer.name} must be its own, {total} (1.0 as a ratio); given {choice.options}"
        )
    values: dict[Node, Value] = {}
    for node, unit in layout:
        units = {
            option: _rounded(node, unit, float(option), divisor) if ratios else _exact(layer, layout, node, int(option))
            for option in choice.options
        }
        if not named and len(layout) == 1 and len(set(units.values())) < len(units):
            widths = {option: count * unit for option, count in units.items()}
            raise NasError(f"some widths of {layer.name} come out equal: {widths}; ask for others, or for another divisor")
        values[node] = choice.map(units)
    return values


def _rounded(node: Node, unit: int, ratio: float, divisor: int) -> int:
    """Units nearest to a ratio that make channels divisible by the divisor, at most all of them."""
    step = Fraction(divisor, unit).numerator
    return min(node.size, int(make_divisible(node.size * ratio, step)))


def _exact(layer: Layer, layout: Layout, node: Node, channels: int) -> int:
    units = Fraction(node.size * channels, length(layout))
    if units.denominator > 1:
        step = length(layout) // math.gcd(*(node.size for node, _ in layout))
        raise NasError(f"{layer.name} cannot be {channels} channels wide: its width is a multiple of {step}")
    return units.numerator
