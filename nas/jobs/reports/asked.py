"""What was asked of a run, and the command that asks it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from nas.data.given import GIVEN
from nas.data.tasks import kind_in
from nas.jobs.readme import heading
from nas.runs import Manifest, RunConfig
from nas.runs.config import option_of
from nas.runs.searched import is_given


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


def command_of(manifest: Manifest) -> str:
    """The command that makes the same run: everything that differs from the defaults, minutes of training as the steps that
    they came to."""
    config = manifest.config
    given = config.model_dump()
    if manifest.trains and config.minutes is not None and not _alone(manifest):
        given |= {"minutes": None, "steps": manifest.plan["steps"]}
    words = [word for name, value in given.items() for word in _option(name, value)]
    objects = {name: getattr(config, name) for name in ("space", "data") if is_given(getattr(config, name))}
    if not objects:
        return f"nas {manifest.kind} {' '.join(words)}"
    defaults = RunConfig().model_dump()
    changed = {name: value for name, value in given.items() if value != defaults[name] or name == "space"}
    rest = ", ".join(f"{name}={name.upper() if name in objects else repr(value)}" for name, value in changed.items())
    being = " and ".join(f"{name.upper()} being {said.removeprefix(GIVEN)}" for name, said in objects.items())
    return f"nas.{manifest.kind}({rest})  # in Python, {being}"


def _option(name: str, value: Any) -> Iterator[str]:
    """The words of one field, none where it is at its default."""
    if value == RunConfig.model_fields[name].default and name not in ("space", "seed"):
        return
    option = option_of(name)
    if value is True:
        yield option
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield f"{option} {shlex.quote(f'{key}={_word(one)}')}"
    elif isinstance(value, tuple) and all(isinstance(one, str) for one in value):
        for one in value:
            yield f"{option} {shlex.quote(one)}"
    elif isinstance(value, tuple):
        yield f"{option} {','.join(map(_word, value))}"
    elif value is not None:
        yield f"{option} {shlex.quote(_word(value))}"


def _word(value: Any) -> str:
    """A value as the command line takes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _alone(manifest: Manifest) -> bool:
    """Whether nothing was trained because a trained supernet was given."""
    return manifest.config.supernet is not None


def _objective(one: Mapping[str, Any]) -> str:
    limit = "" if one["limit"] is None else ", within its bound"
    return f"{heading(one['name'])}, as {'large' if one['direction'] == 'maximize' else 'small'} as possible{limit}"


def _settings(given: Mapping[str, Any]) -> str:
    return f" ({', '.join(f'{name} {_word(value)}' for name, value in given.items())})" if given else ""


def _training(manifest: Manifest, figures: Mapping[str, Any]) -> str:
    training, config = figures["training"], manifest.config
    if training["separate"]:
        return f"every network from scratch, {training['steps']} steps"
    steps = f"{training['trainer']}, {training['steps']:.0f} steps{_settings(config.settings)}"
    return f"{steps}, by {config.supernet}" if config.supernet is not None else steps
