"""Spaces by name, that of a run reduced to its best modules among them: `RUN:top3`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.architectures import Decisions
from nas.architectures.groups import MOST
from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.runs.explained import explanation_of
from nas.runs.folder import RunFolder
from nas.runs.manifest import MANIFEST, read_manifest
from nas.runs.reduction import KeptUnit, Reduction
from nas.runs.searched import reference, space_in_force
from nas.runs.trained import FACTS
from nas.supernet import Space, open_space

NAMED = re.compile(r"(?P<run>.+):top(?P<count>[^:/]*)")


def names_a_part(name: str) -> bool:
    """Whether a name is that of a reduced space: a folder, or what looks like one, stands before ':top'."""
    match = NAMED.fullmatch(name)
    return match is not None and (Path(match["run"]).is_dir() or ("/" in match["run"] and ".py" not in match["run"]))


def named_space(name: str, reporter: Reporter | None = None) -> Space:
    """The space called FAMILY, FAMILY:PRESET or path/to/file.py:NAME, or RUN:topK: that of a run, reduced to the best K modules
    of each unit.

    Raises:
        NasError: there is none; or the run cannot be explained.
    """
    match = NAMED.fullmatch(name)
    if match is None or not names_a_part(name):
        return open_space(name)
    path, count = Path(match["run"]), match["count"]
    if not count.isascii() or not count.isdigit() or not 1 <= int(count) <= MOST:
        raise NasError(f"'{name}' keeps the best K modules of each unit, and K is a number from 1 to {MOST}; given '{count}'")
    manifest = read_manifest(path)
    searched = space_in_force(manifest)
    explained = explanation_of(path, reporter=reporter)
    if explained["warning"] and reporter is not None:
        reporter.say(explained["warning"])
    units = [_kept(searched.decisions, unit, int(count)) for unit in explained["units"]]
    base = manifest.plan.get("reduced", {}).get("base") or reference(manifest.config.space)
    tau = explained["quality"]["kendall_tau"]
    reduction = Reduction(str(path.resolve()), int(count), base, explained["predictor"], tau, tuple(units))
    return reduction.applied(searched.whole)


def evaluated_as(reduction: Reduction, space: Space) -> dict[str, str]:
    """The options with which a search of a reduced space evaluates as the run did that was explained.

    That is by its table or predictor, or with its supernet, as far as they are still there.
    """
    path = Path(reduction.run)
    if not (path / MANIFEST).exists():
        return {}
    config = read_manifest(path).config
    if config.evaluate is not None:
        return {"evaluate": config.evaluate} if Path(config.evaluate).exists() else {}
    if space.separate:
        return {}
    folders = [RunFolder(path).supernet, *([Path(config.supernet)] if config.supernet else [])]
    places = [place for folder in folders for place in (folder, folder / "supernet") if (place / FACTS).exists()]
    return {"supernet": str(places[0])} if places else {}


def _kept(decisions: Decisions, unit: Mapping[str, Any], count: int) -> KeptUnit:
    """The best modules of a unit, ordered from small to large as the options of a choice are."""
    choices = [decisions.choices[decisions.column[name]] for name in unit["decisions"]]
    found = [
        tuple(choice.index(module["decisions"].get(choice.name, choice.options[0])) for choice in choices)
        for module in unit["modules"][:count]
    ]
    sizes = {codes: sum(code / max(1, len(c.options) - 1) for code, c in zip(codes, choices, strict=True)) for codes in found}
    ordered = sorted(sizes, key=lambda codes: (sizes[codes], codes))
    modules = tuple(tuple(choice.options[code] for code, choice in zip(codes, choices, strict=True)) for codes in ordered)
    return KeptUnit(unit["name"], tuple(unit["decisions"]), modules)
