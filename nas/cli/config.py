"""`nas config show`: what a command would do, or what a run did, as TOML, with the origin of each value."""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.base.errors import NasError, unknown
from nas.cli import options
from nas.cli.config_file import parameters_of
from nas.cli.configured import Configured, origin, words_of
from nas.cli.guard import guarded, print_json

config_app = typer.Typer(help="Options of commands in TOML files.", no_args_is_help=True, rich_markup_mode=None)


@config_app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def show(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(metavar="COMMAND [CONFIG.toml] [OPTIONS] | RUN", help="As it would be typed; or a run's folder."),
    ],
    json: options.Json = False,
) -> None:
    """Print everything that a command would be told, or a run was, as TOML with the origin of each value; do nothing.

    What is printed can be kept as a file of options. --json stands before COMMAND.
    """
    json = json or "--json" in words
    with guarded(json):
        found = effective(context, [*words, "--json"] if json and "--json" not in words else words)
        if json:
            print_json(found)
        else:
            print(as_toml(found))


def effective(context: typer.Context, words: list[str]) -> dict[str, Any]:
    """{"command", "options": {name: {"value", "from"}}}; "from" is 'command line', a file's path, 'default' or 'run'.

    Raises:
        NasError: neither a command that takes a file nor a run, or whatever is wrong with the file or the run.
    """
    root = context.find_root()
    command: Any = root.command
    inner, rest = root, list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        name = rest.pop(0)
        command = command.commands[name]
        if not isinstance(command, Configured):
            inner = type(root)(command, info_name=name, parent=inner)
    if isinstance(command, Configured):
        made = command.make_context(name, rest, parent=inner)
        found = {key: _entry(made, option) for key, option in parameters_of(command).items()}
        return {"command": " ".join(words_of(made)), "options": found}
    if command is root.command and _is_run(Path(words[0])):
        further = [word for word in words[1:] if word != "--json"]
        if further:
            raise NasError(f"nothing can be added to what a run was asked; leave out {further[0]}")
        return of_run(Path(words[0]), root.command.commands)
    legal = [name for name, known in getattr(command, "commands", {}).items() if not known.hidden]
    raise unknown("command or run", rest[0] if rest else words[-1], legal)


def of_run(folder: Path, commands: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was asked, as its command would take it. Raises NasError where no file can say it."""
    from nas.runs import RunConfig, read_manifest
    from nas.runs.as_options import asked_again, option_value
    from nas.runs.config import option_of
    from nas.runs.searched import is_given

    manifest = read_manifest(folder)
    config = manifest.config
    for name in (config.space, config.data):
        if is_given(name):
            raise NasError(f"run {folder} was begun with an object that no file can name: {name}")
    known = parameters_of(commands[manifest.kind])
    found = _retraining(folder, manifest.plan) if manifest.kind == "retrain" else {}
    for field, value in asked_again(manifest).model_dump().items():
        key = option_of(field).removeprefix("--")
        if key not in known:
            continue  # of a search alone, or the run's that found a retrained network
        source = "default" if value == RunConfig.model_fields[field].get_default() else "run"
        if field == "steps" and config.minutes is not None:
            source = f"{config.minutes:g} minutes"
        found[key] = {"value": option_value(value), "from": source}
    return {"command": manifest.kind, "options": found}


def _retraining(folder: Path, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a retraining that other commands do not have."""
    from nas.runs import RunFolder

    asked, kept = plan["retrain"], RunFolder(folder).winner
    first, _, number = asked["network"].partition(" ")
    given: dict[str, Any] = {"run": str((folder.resolve() / asked["run"]).resolve()), "scratch": asked["start"] == "scratch"}
    if first == "runner-up" and number.isdecimal():
        given["runner-up"] = int(number)
    elif first != "winner":  # once it is trained, a file of its own names whatever network it is
        given["arch"] = str(kept.resolve()) if kept.exists() else asked["network"]
    if asked["distill"]:
        given |= {"distill": True, "distill-weight": asked["distill_weight"], "temperature": asked["temperature"]}
    return {name: {"value": value, "from": "run"} for name, value in given.items()}


def as_toml(found: dict[str, Any]) -> str:
    """What `effective` finds as a TOML file; options that have no value are comments."""
    lines = []
    for name, entry in found["options"].items():
        value = entry["value"]
        line = f"# {name} =" if value is None or value == [] else f"{name} = {_toml(value)}"
        lines.append((line, entry["from"]))
    width = min(max((len(line) for line, _ in lines), default=0), 50)
    return "\n".join([f"[{found['command'].replace(' ', '.')}]", *(f"{line:<{width}}  # {source}" for line, source in lines)])


def _is_run(folder: Path) -> bool:
    from nas.runs.manifest import MANIFEST

    return (folder / MANIFEST).exists()


def _entry(made: Any, option: Any) -> dict[str, Any]:
    value = made.params[option.name]
    return {"value": list(value) if isinstance(value, tuple) else value, "from": origin(made, option.name)}


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json_text.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
