"""Options of `nas search` alone."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from nas.cli.options import installed_names

Targets = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--target",
        metavar="METRIC=LIMIT",
        help="Upper bound: pixel-latency=80ms, macs<=300M, params<=5M, memory<=2MB. Repeatable.",
    ),
]
Supernet = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Use a trained supernet: the folder of a finished run. Nothing is trained then."),
]
Evaluate = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        metavar="FILE",
        help="Look results up instead of training: a CSV of architectures and figures, or a fitted predictor.",
    ),
]
Objectives = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--objective",
        metavar="NAME[:max|:min]",
        help="What is searched for: top1 (map or r2 for other tasks), loss, macs, params, memory, pixel-latency, or a "
        "zero-cost proxy, which needs no training. Repeatable, up to three: the result is then the Pareto front, and its knee "
        "the winner, or the best that keeps the targets. [default: top1, map or r2]",
    ),
]
Filters = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--filter",
        metavar="PROXY:SHARE",
        help="Evaluate only what a zero-cost proxy ranks among the best: naswot:0.5 for the better half of the space, or "
        "naswot>=120. Repeatable.",
    ),
]
WarmStart = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        metavar="PROXY:COUNT/SAMPLE",
        help="Begin with the best of a random sample by a zero-cost proxy: naswot:10/100. [naswot alone: 10/100]",
    ),
]
ProxyImages = Annotated[int, typer.Option(help="How many training images zero-cost proxies see.")]
Reward = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        metavar="NAME[:WEIGHT]",
        help="Weigh accuracy and the first target's cost as one figure, instead of bounding the cost: mnasnet-soft, "
        "mnasnet-hard, tunas, tunas-one-sided.",
    ),
]
Strategy = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="How the supernet is searched; 'nas strategies' lists them. [default: the architecture that the trainer "
        "derived, where it derives one; nsga2 for several objectives; else predictor, or evolution for few evaluations]",
        autocompletion=installed_names("strategies"),
    ),
]
StrategySet = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(metavar="NAME=VALUE", help="Change an option that 'nas strategies NAME' lists; repeatable."),
]
Evaluations = Annotated[
    int, typer.Option(help="How many architectures are scored, by the strategy and again by random search for comparison.")
]
ValidationImages = Annotated[int, typer.Option(help="At most so many validation images score an architecture.")]
CalibrationImages = Annotated[
    int, typer.Option(help="At most so many training images re-estimate an architecture's batch norm.")
]
DeployResolution = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(
        help="Side of the images on the device, at which costs are counted. [default: the device table's, else the space's own]"
    ),
]
Executor = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        metavar="ray[:ADDRESS]",
        help="Make the evaluations on the Ray cluster at an address, or on all cores of this machine.",
    ),
]
Workers = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(help="How many Ray workers evaluate at once. [default: one for each core, or GPU, of the cluster]"),
]
Storage = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        metavar="URL",
        help="Share the evaluations out by a database, so that other machines can join: postgresql://user@host/name.",
    ),
]
Join = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(metavar="RUN", help="Help with a search that another machine began with --storage; give the same --storage."),
]
TimeLimit = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option(metavar="SECONDS", help="An evaluation that takes longer counts as failed. [default: none]"),
]
