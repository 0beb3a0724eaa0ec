"""One architecture as a picture in a file."""

from __future__ import annotations

from pathlib import Path

from nas.architectures import Architecture
from nas.base.units import COUNT
from nas.drawing.measure import require_matplotlib, text_width
from nas.drawing.network import network_graph
from nas.drawing.page import page
from nas.drawing.paint import paint
from nas.drawing.panels import network_scene, own_scenes
from nas.drawing.picture import check_suffix
from nas.supernet import Space, Task


def draw(space: Space, architecture: Architecture, path: str | Path, task: Task | None = None, name: str = "") -> None:
    """Write a picture of one network: the graphs that its space gives (`Space.graphs`), else its blocks.

    Args:
        path: ends in .svg, .png or .pdf; replaced where it exists, whole or not at all.
        task: the space's own by default.
        name: what the architecture is called in the title.

    Raises:
        NasError: another kind of file, no matplotlib, a cyclic graph, or a file that cannot be written.
    """
    path = Path(path)
    check_suffix(path)
    require_matplotlib()
    task = task or space.task
    if space.graphs is not None:
        scenes = own_scenes(space.graphs(architecture), text_width)
    else:
        scenes = [network_scene(network_graph(space, architecture, task), text_width)]
    title = f"{space.name}, {name}" if name else space.name
    paint(page(title, figures_line(space, architecture, task), scenes, text_width), path)


def figures_line(space: Space, architecture: Architecture, task: Task) -> str:
    """Multiply-adds, parameters and input in words."""
    macs, params = (COUNT.format(space.cost(metric, architecture, task)) for metric in ("macs", "params"))
    side = space.input_shape(architecture, task)[-1]
    at = Task(task.channels, side, task.classes)
    return f"{macs} multiply-adds, {params} parameters; {at}"
