"""A picture of one network of a space, or of a run's winner."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from nas.architectures import Architecture
from nas.base.errors import NasError, unknown
from nas.base.files import read_json
from nas.drawing import draw as write_picture
from nas.jobs.run import Run
from nas.runs import named_space
from nas.runs.manifest import MANIFEST
from nas.runs.named import names_a_part
from nas.supernet import Space, Task

EXTREMES = ("smallest", "largest")
"""Architectures that every space has by name."""


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
    if (Path(target) / MANIFEST).exists():
        run = Run(target)
        space, task = run.space, Task(**run.manifest.plan["deployed_at"])
        chosen = (f"winner of {target}", run.winner) if architecture is None else choose(space, architecture)
    elif "/" in str(target) and ".py" not in str(target) and not names_a_part(str(target)):
        raise NasError(f"{target} is no run: {Path(target) / MANIFEST} does not exist; give a run's folder or a space's name")
    else:
        space = named_space(str(target))
        task, chosen = space.task, choose(space, architecture)
    name, found = chosen
    file = Path(out) if out is not None else Path(f"{_word(space.name)}-{_word(name)}.svg")
    write_picture(space, found, file, task, name)
    return {
        "file": str(file),
        "space": space.name,
        "name": name,
        "architecture": found.to_json(),
        "at": str(task),
        "macs": float(space.cost("macs", found, task)),
        "params": float(space.cost("params", found, task)),
    }


def choose(space: Space, asked: str | None) -> tuple[str, Architecture]:
    """Name and architecture for what was asked; see `draw`."""
    if asked is None:
        asked = next(iter(space.known), "largest")
    if asked in space.known:
        return asked, space.known[asked]
    if asked in EXTREMES:
        return asked, space.smallest if asked == "smallest" else space.largest
    path = Path(asked)
    if path.suffix != ".json" and not path.is_file():
        raise unknown(
            f"architecture of space '{space.name}'", asked, [*space.known, *EXTREMES], "A JSON file may be given too."
        )
    content = read_json(path, "architecture")
    if isinstance(content, dict) and "architecture" in content:
        content = content["architecture"]
    if not isinstance(content, dict):
        raise NasError(f"{path} holds no architecture: it must be a JSON object of decisions, or one with 'architecture' in it")
    return path.stem, space.validate(content)


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
