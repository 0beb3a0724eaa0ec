"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Optional

import typer

from nas.base.errors import NasError


def installed_names(kind: str) -> Callable[[str], list[str]]:
    """What a shell completes a name of one kind with."""

    def complete(incomplete: str) -> list[str]:
        from nas.base.plugins import installed

        return [name for name in installed(kind) if name.startswith(incomplete)]

    return complete


Space = Annotated[
    str,
    typer.Option(
        help="Search space: FAMILY or FAMILY:PRESET, as 'nas spaces' lists them, or path/to/file.py:NAME; in a search also "
        "RUN:top3, the space of a run reduced to the best 3 modules of each unit.",
        autocompletion=installed_names("spaces"),
    ),
]
Data = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="'digits'; a folder of class folders or Parquet files; or a CSV file of paths and labels. [default: the "
        "supernet's, else digits]"
    ),
]
PathColumn = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(metavar="NAME", help="Of a CSV file: the column of the paths. [default: found by its name]"),
]
LabelColumns = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--label-column",
        metavar="NAME",
        help="Of a CSV file: the column of the labels; repeatable for a regression. [default: found by its name]",
    ),
]
Task = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="classification, multi-label or regression. [default: by the labels: a;b are several]"),
]
ClassWeights = Annotated[str, typer.Option(help="balanced: the loss weighs rare classes as much as frequent ones; or none.")]
Out = Annotated[Optional[str], typer.Option(help="Folder of the run, new or empty. [default: a number under runs/]")]  # noqa: UP045
Trainer = Annotated[
    str,
    typer.Option(help="How the supernet is trained; 'nas trainers' lists them.", autocompletion=installed_names("trainers")),
]
Steps = Annotated[Optional[int], typer.Option(help="Training budget in steps.")]  # noqa: UP045
Epochs = Annotated[Optional[float], typer.Option(help="Training budget in passes over the data.")]  # noqa: UP045
Minutes = Annotated[Optional[float], typer.Option(help="Training budget in minutes on this machine.")]  # noqa: UP045
Seed = Annotated[int, typer.Option(help="The same seed gives the same run.")]
Resolution = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(help="Side of the images in training, in pixels. [default: decided by the data]"),
]
Compute = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Precision = Annotated[str, typer.Option(help="32-true or bf16-mixed.")]
Cutout = Annotated[int, typer.Option(help="Side of the square that cutout blanks, in pixels; 0 for none.")]
Mixup = Annotated[float, typer.Option(help="Alpha of mixup; 0 for none.")]
Cutmix = Annotated[float, typer.Option(help="Alpha of CutMix; 0 for none. With --mixup each batch takes one of the two.")]
Randaugment = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(metavar="N,M", help="RandAugment: N operators an image, of magnitude M (0 to 30; papers: 2,9)."),
]
Log = Annotated[str, typer.Option(help="tensorboard: loss, rate and images a second of every step, in RUN/logs; or none.")]
Devices = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(help="Train with so many processes on this machine, each on its part of every batch. [default: 1]"),
]
Set = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--set", metavar="NAME=VALUE", help="Change a figure of the trainer's recipe; repeatable."),
]
AllowEstimates = Annotated[
    bool,
    typer.Option(
        "--allow-estimates",
        help="Estimate latencies of operators that a device's table lacks from those that it has; such figures are marked.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else there.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Folder of a run.")]


def settings(pairs: list[str] | None, option: str = "--set", example: str = "learning_rate=0.1") -> dict[str, Any]:
    """NAME=VALUE pairs as a mapping. Raises NasError for anything else."""
    found: dict[str, Any] = {}
    for pair in pairs or []:
        name, separator, value = pair.partition("=")
        if not separator or not name.strip():
            raise NasError(f"{option} takes NAME=VALUE, for example {option} {example}; given: {pair}")
        found[name.strip()] = value.strip()
    return found
