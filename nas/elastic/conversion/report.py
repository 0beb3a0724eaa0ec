"""What was made elastic, what was not, and why, as text."""

from __future__ import annotations

from collections.abc import Iterator

from nas.elastic.conversion.flow import Flow
from nas.elastic.conversion.requests import Plan
from nas.elastic.conversion.widths import Node, length, resolved


def summary(flow: Flow, plan: Plan) -> str:
    """One line a choice, one for each layer that was asked for and left alone, one for each group that is still free."""
    lines = ["Choices:"] + [
        f"  {group.choice.name}: {', '.join(map(str, group.choice.options))} ({', '.join(group.members)})"
        for group in plan.groups
    ]
    if not plan.groups:
        lines.append("  none")
    if plan.left:
        lines += ["Left alone:"] + [f"  {entry.name} ({entry.asked}): {entry.reason}" for entry in plan.left]
    free = list(_free(flow, plan))
    if free:
        lines += ["Widths that could also be chosen, equal within a line:", *free]
    return "\n".join(lines)


def _free(flow: Flow, plan: Plan) -> Iterator[str]:
    """Layers by the nodes of their output, where these can change and no choice decides about them."""
    groups: dict[frozenset[Node], list[str]] = {}
    for layer in flow.layers.values():
        layout = resolved(layer.layouts.get("out", ()))
        nodes = frozenset(node for node, _ in layout)
        if nodes and not any(node in plan.values or node.reasons for node in nodes):
            groups.setdefault(nodes, []).append(f"{layer.name} ({length(layout)})")
    yield from ("  " + ", ".join(names) for names in groups.values())
