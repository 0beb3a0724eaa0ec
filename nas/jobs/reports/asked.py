"""What was asked of a run, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.data.tasks import kind_in
from nas.jobs.readme import heading
from nas.runs import Manifest
from nas.runs.as_options import word


def asked_of(manifest: Manifest, figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was asked, and what was decided where nothing was, as names and words."""
    config, data = manifest.config, manifest.data
    found = [("search space", figures["space"])]
    if figures["kind"] != "train":
        found.append(("bounds", ", ".join(target["text"] for target in figures["targets"]) or "none"))
        found.append(("searched for", "; ".join(map(_objective, figures["objectives"]))))
        if figures["reward"]:
            found.append(("weighed by", f"{figures['reward']['name']}, weight {figures['reward']['weight']:g}"))
        found.append(("strategy", f"{figures['search']['strategy']}{_settings(config.strategy_options)}"))
        found.append(("evaluations", str(config.evaluations)))
    if data:
        images = ", ".join(f"{count} {part}" for part, count in data["images"].items())
        found.append(("data", f"{data['name']} ({images} images; {len(data['classes'])} {kind_in(data).nouns})"))
    if config.evaluate is not None:
        found.append(("evaluated by", config.evaluate))
    if manifest.trains:
        found.append(("training", _training(manifest, figures)))
        found.append(("trained at", figures["trained_at"]))
    if "deployed_at" in figures:
        found.append(("deployed at", figures["deployed_at"]))
    return [*found, ("seed", str(config.seed))]


def _objective(one: Mapping[str, Any]) -> str:
    limit = "" if one["limit"] is None else ", within its bound"
    return f"{heading(one['name'])}, as {'large' if one['direction'] == 'maximize' else 'small'} as possible{limit}"


def _settings(given: Mapping[str, Any]) -> str:
    return f" ({', '.join(f'{name} {word(value)}' for name, value in given.items())})" if given else ""


def _training(manifest: Manifest, figures: Mapping[str, Any]) -> str:
    training, config = figures["training"], manifest.config
    if training["separate"]:
        return f"every network from scratch, {training['steps']} steps"
    steps = f"{training['trainer']}, {training['steps']:.0f} steps{_settings(config.settings)}"
    return f"{steps}, by {config.supernet}" if config.supernet is not None else steps
