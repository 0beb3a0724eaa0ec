"""A picture of one network of a space, or of a run's winner."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from nas.drawing import draw as write_picture
from nas.jobs.chosen import chosen


def draw(target: str | Path, out: str | Path | None = None, architecture: str | None = None) -> dict[str, Any]:
    """Draw one network of a space, or the winner of a run at the task that it is deployed at.

    Args:
        target: a space by name, 'RUN:top3' among them, or the folder of a finished run.
        out: file that ends in .svg, .png or .pdf; by default an SVG in this folder, named after space and architecture.
        architecture: a known network, 'smallest', 'largest', or a JSON file with an architecture, such as a winner.json. By
            default a run's winner, else the space's first known network, else the largest.

    Returns:
        {"file", "space", "name", "architecture", "at", "macs", "params"}.

    Raises:
        NasError: no such space, run or architecture, a kind of file that is not drawn, or no matplotlib.
    """
    found = chosen(target, architecture)
    space = found.space
    file = Path(out) if out is not None else Path(f"{_word(space.name)}-{_word(found.name)}.svg")
    write_picture(space, found.architecture, file, found.task, found.name)
    return {
        "file": str(file),
        "space": space.name,
        "name": found.name,
        "architecture": found.architecture.to_json(),
        "at": str(found.task),
        "macs": float(space.cost("macs", found.architecture, found.task)),
        "params": float(space.cost("params", found.architecture, found.task)),
    }


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
