"""The first part of an extracted network, of which a patch of the output needs a patch of the image."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from torch import fx, nn

from nas.base.errors import NasError
from nas.exporting.patching.windows import POINTWISE_MODULES, SINGLE, Interval, Windows, windows_of

Region = tuple[Interval, Interval]
"""A part of a map: rows and columns."""

Needs = tuple[Interval, Interval, Interval]
"""Along one axis what a patch computes of a node's output, what it computes with nothing cut off at the borders of the map,
and what a window reads of its input, which may stick out of the map."""


def module_of(network: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The module that a node calls."""
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def ends(network: fx.GraphModule) -> list[str]:
    """Names of the nodes at which a stage may end, in order.

    One tensor is alive there, everything before can be computed patch by patch, and no norm or activation follows, which
    would belong to the stage.

    Raises:
        NasError: there is none, with the first module that needs a whole map.
    """
    found: list[str] = []
    slides = False
    why = "it slides no window over the image"
    nodes = [node for node in network.graph.nodes if node.op != "get_attr"]
    places = {node: place for place, node in enumerate(nodes)}
    reach = 0
    for place, node in enumerate(nodes):
        reach, before = max([reach, *(places[user] for user in node.users)]), reach
        if node.op == "placeholder":
            continue
        windows = None if node.op == "output" else windows_of(node, module_of(network, node))
        if windows is None or not _maps_alone(network, node):
            why = why if node.op == "output" else f"'{node.target}' needs the whole map"
            break
        slides = slides or windows != SINGLE
        if slides and before <= place and not _goes_on(network, node):
            found.append(node.name)
    if not found:
        raise NasError(f"no part of this network can be run patch by patch: {why}")
    return found


def _goes_on(network: fx.GraphModule, node: fx.Node) -> bool:
    """Whether nothing reads a node but a norm, an activation or a module that does nothing, which belongs to it."""
    if len(node.users) != 1:
        return False
    (user,) = node.users
    return isinstance(module_of(network, user), POINTWISE_MODULES) or (
        user.op in ("call_function", "call_method") and user.all_input_nodes == [node] and windows_of(user, None) == SINGLE
    )


def _maps_alone(network: fx.GraphModule, node: fx.Node) -> bool:
    """Whether what a node reads besides maps is the same in every place of them."""
    for read in node.all_input_nodes:
        if read.op == "get_attr":
            owner, _, name = str(read.target).rpartition(".")
            shape = getattr(network.get_submodule(owner), name).shape
            if any(side != 1 for side in shape[-2:]):
                return False
    return True


@dataclass
class Stage:
    """The nodes of a network up to one of its `ends`, for images of one size.

    Attributes:
        network: in evaluation mode.
        end: name of the last node.
        size: height and width of the images.

    Raises:
        NasError: the network is in training mode, or cannot be cut there.
    """

    network: fx.GraphModule
    end: str
    size: tuple[int, int]

    def __post_init__(self) -> None:
        if self.network.training:
            raise NasError("a network is run patch by patch in evaluation mode only; call eval() first")
        if self.end not in ends(self.network):
            raise NasError(f"'{self.end}' is no end of a stage; legal: {', '.join(ends(self.network))}")

    @cached_property
    def nodes(self) -> tuple[fx.Node, ...]:
        """What a patch runs, in order, after the image; parameters that are read by themselves are none of them."""
        found: list[fx.Node] = []
        for node in self.network.graph.nodes:
            if node.op not in ("placeholder", "get_attr") and (node.users or node.name == self.end):
                found.append(node)
            if node.name == self.end:
                break
        return tuple(found)

    @cached_property
    def image(self) -> fx.Node:
        """The node that stands for the images."""
        found: fx.Node = next(node for node in self.network.graph.nodes if node.op == "placeholder")
        return found

    @cached_property
    def windows(self) -> dict[fx.Node, Windows]:
        """What each node sees."""
        found = {node: windows_of(node, module_of(self.network, node)) for node in self.nodes}
        return {node: windows for node, windows in found.items() if windows is not None}

    @cached_property
    def sizes(self) -> dict[fx.Node, tuple[int, int]]:
        """Height and width of each node's map."""
        sizes = {self.image: self.size}
        for node in self.nodes:
            height, width = sizes[next(read for read in node.all_input_nodes if read in sizes)]
            vertical, horizontal = self.windows[node]
            sizes[node] = (vertical.size(height), horizontal.size(width))
        return sizes

    @property
    def output(self) -> tuple[int, int]:
        """Height and width of the stage's output."""
        return self.sizes[self.nodes[-1]]

    @cached_property
    def modules(self) -> dict[str, nn.Module]:
        """The modules of the nodes, with the network's own weights: without padding, and never writing over their input."""
        found = {}
        for node in self.nodes:
            module = module_of(self.network, node)
            if module is not None:
                found[str(node.target)] = _bare(module)
        return found

    def needs(self, axis: int, part: Interval) -> dict[fx.Node, Needs]:
        """What a patch computes of every map along an axis (0 for rows) so that it has `part` of the output."""
        inside: dict[fx.Node, Interval] = {self.nodes[-1]: part}
        whole: dict[fx.Node, Interval] = {self.nodes[-1]: part}
        found: dict[fx.Node, Needs] = {}
        for node in (*reversed(self.nodes), self.image):
            window = self.windows[node][axis] if node is not self.image else SINGLE[axis]
            read = window.needs(inside[node])
            found[node] = (inside[node], whole[node], read)
            for source in node.all_input_nodes:
                if source in self.sizes:
                    limit = self.sizes[source][axis]
                    inside[source] = _hull(inside.get(source), (max(read[0], 0), min(read[1], limit)))
                    whole[source] = _hull(whole.get(source), window.needs(whole[node]))
        return found


def parts(length: int, grid: int) -> Iterator[Interval]:
    """A side of the output in `grid` parts of as equal length as can be."""
    for index in range(grid):
        yield length * index // grid, length * (index + 1) // grid


def _hull(first: Interval | None, second: Interval) -> Interval:
    return second if first is None else (min(first[0], second[0]), max(first[1], second[1]))


def _bare(module: nn.Module) -> nn.Module:
    twin = copy.copy(module)
    if isinstance(twin, nn.Conv2d):
        twin.padding = (0, 0)
    elif isinstance(twin, nn.MaxPool2d | nn.AvgPool2d):
        twin.padding = 0
    elif hasattr(twin, "inplace"):
        twin.inplace = False  # type: ignore[assignment]
    return twin
