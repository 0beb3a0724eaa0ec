"""Commands whose options may stand in a TOML file: `nas search config.toml --seed 3`.

What is typed goes before what the file says, and the file before the defaults.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperCommand

from nas.base.errors import NasError
from nas.cli.config_file import asked, parameters_of, read, value_of
from nas.cli.guard import guarded

CONFIG = "config"
"""The parameter that names the file."""

_HELP = "A TOML file of options; what is typed goes before it."


def _as_argument(
    config: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="CONFIG.toml", help=_HELP, show_default=False, expose_value=False),
    ] = None,
) -> None:
    """Names the file by a word, where the command takes no other words."""


def _as_option(
    config: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--config", metavar="CONFIG.toml", help=_HELP, show_default=False, expose_value=False),
    ] = None,
) -> None:
    """Names the file by an option, where the command takes words."""


class Configured(TyperCommand):
    """A command that can take its options from a file."""

    def __init__(self, *arguments: Any, params: list[Any] | None = None, **others: Any) -> None:
        own = list(params or ())
        words = any(option.param_type_name == "argument" for option in own)
        declared = typer.Typer(add_completion=False)
        declared.command()(_as_option if words else _as_argument)
        added = [option for option in typer.main.get_command(declared).params if option.name == CONFIG]
        super().__init__(*arguments, params=[*added, *own], **others)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let the options of the file be the defaults."""
        if ctx.resilient_parsing:  # the shell asks what could be typed next
            return list(super().parse_args(ctx, args))
        path = self.make_parser(ctx).parse_args(list(args))[0].get(CONFIG)
        with guarded("--json" in args):
            if path is not None:
                ctx.meta[CONFIG] = path
                ctx.default_map = _defaults(self, ctx, Path(path))
            try:
                return list(super().parse_args(ctx, args))
            except typer.BadParameter as error:
                if path is None or error.param is None or origin(ctx, error.param.name) != path:
                    raise
                key = next(key for key, option in parameters_of(self).items() if option is error.param)
                raise NasError(f"{path}: {key}: {error.message}") from error


def configurable(app: typer.Typer) -> None:
    """Let every command of a program, and of its groups, take its options from a file, unless it has a class of its own."""
    for command in app.registered_commands:
        if command.cls is TyperCommand and not command.hidden:
            command.cls = Configured
    for group in app.registered_groups:
        if group.typer_instance is not None:
            configurable(group.typer_instance)


def origin(ctx: Any, name: str) -> str:
    """Where a parameter's value is from: 'command line', 'default', 'environment', or the path of the file."""
    source = ctx.get_parameter_source(name)
    words = {"COMMANDLINE": "command line", "DEFAULT_MAP": ctx.meta.get(CONFIG), "ENVIRONMENT": "environment"}
    return str(words.get("" if source is None else source.name, "default"))


def words_of(ctx: Any) -> list[str]:
    """The names of a context's command, from the outermost group on: ['predictor', 'fit']."""
    return [] if ctx.parent is None else [*words_of(ctx.parent), ctx.info_name]


def _defaults(command: TyperCommand, ctx: Any, path: Path) -> dict[str, Any]:
    """What a file says for a command, by parameter."""
    known = parameters_of(command)
    found = asked(path, read(path), words_of(ctx), ctx.find_root().command)
    return {known[key].name: value_of(path, key, known[key], value) for key, value in found.items()}
