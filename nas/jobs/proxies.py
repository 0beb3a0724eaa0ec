"""Zero-cost proxies of one network of a space, as a table."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.architectures import Architecture
from nas.base.errors import NasError
from nas.base.progress import Reporter, Silent
from nas.data import load_data
from nas.jobs.chosen import choose
from nas.predicting.proxy import NotDefined, open_proxy, proxy_names
from nas.predicting.proxy_scores import BATCH, ProxyScorer
from nas.runs import named_space
from nas.supernet import Space


def proxy_table(
    space: str | Space,
    architecture: str | None = None,
    proxies: Sequence[str] | None = None,
    data: str | Path | None = None,
    batch: int = BATCH,
    seed: int = 0,
    resolution: int | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Score one untrained network by zero-cost proxies.

    Args:
        space: by name, or a `nas.Space`.
        architecture: a known network, 'smallest', 'largest', a JSON object of decisions, or '@' and a JSON file. By default
            the space's first known network, else the largest.
        proxies: by name; by default all that are defined for the network.
        data: 'digits' (the default) or a folder.
        batch: how many of its images.
        resolution: side of the images; by default decided by the data.

    Returns:
        {"space", "name", "architecture", "at", "data", "batch", "seed", "proxies": [{"name", "score", "seconds", "summary"}],
        "left_out": {name: reason}}. A score is None where the network passes no signal on.

    Raises:
        NasError: no such space, architecture, proxy or data, or a proxy that was asked for is not defined for the network.
    """
    if seed < 0:
        raise NasError(f"--seed is a whole number from 0; given {seed}")
    names = list(dict.fromkeys(proxies)) if proxies else proxy_names()
    for name in names:
        open_proxy(name)
    space = space if isinstance(space, Space) else named_space(space, reporter)
    label, chosen = _chosen(space, architecture)
    images = load_data(data or "digits", resolution=resolution, seed=seed, reporter=reporter)
    scorer = ProxyScorer(space, names, images, batch, seed)
    found, left_out = _measured(scorer, chosen, reporter or Silent())
    if proxies and left_out:
        raise next(iter(left_out.values()))
    return {
        "space": space.name,
        "name": label,
        "architecture": chosen.to_json(),
        "at": str(scorer.task),
        "data": str(data or "digits"),
        "batch": batch,
        "seed": seed,
        "proxies": found,
        "left_out": {name: error.reason for name, error in left_out.items()},
    }


def _measured(
    scorer: ProxyScorer, architecture: Architecture, reporter: Reporter
) -> tuple[list[dict[str, Any]], dict[str, NotDefined]]:
    """Score, seconds and meaning for each proxy that is defined for a network, and why the others are not."""
    row = scorer.space.decisions.canonical(scorer.space.encode([architecture]))[0]
    network = scorer.network(row)
    found: list[dict[str, Any]] = []
    left_out: dict[str, NotDefined] = {}
    reporter.start("proxies", len(scorer.names))
    try:
        for done, (name, proxy) in enumerate(scorer.proxies.items(), 1):
            start = time.perf_counter()
            try:
                score = scorer.of(name, network)
            except NotDefined as error:
                left_out[name] = error
            else:
                seconds = time.perf_counter() - start
                shown = score if math.isfinite(score) else None
                found.append({"name": name, "score": shown, "seconds": seconds, "summary": proxy.summary})
            reporter.advance(done, name)
    finally:
        reporter.finish()
    return found, left_out


def _chosen(space: Space, asked: str | None) -> tuple[str, Architecture]:
    """Name and architecture for what was asked; see `proxy_table`."""
    if asked is None or not asked.startswith(("{", "@")):
        return choose(space, asked)
    if asked.startswith("@"):
        path = Path(asked[1:])
        if not path.is_file():
            raise NasError(f"{path} does not exist; '@' is followed by a JSON file with an architecture, such as a winner.json")
        return choose(space, str(path))
    try:
        return "given", space.validate(json.loads(asked))
    except json.JSONDecodeError as error:
        raise NasError(
            f"--arch is no JSON object ({error}); write --arch '{{\"decision\": option, ...}}', the name of a known network, "
            "or @FILE"
        ) from error
