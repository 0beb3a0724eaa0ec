"""The commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from nas.cli import options, search_options
from nas.cli.bench import bench_app
from nas.cli.config import config_app
from nas.cli.configured import configurable
from nas.cli.devices import devices_app
from nas.cli.explain import explain_app
from nas.cli.guard import guarded, print_json
from nas.cli.join import join_run
from nas.cli.listing import listing_app
from nas.cli.measure import measure_app
from nas.cli.predictor import predictors_app
from nas.cli.product import product_app
from nas.cli.proxy import proxy_app
from nas.cli.report import report_app
from nas.cli.show import show_app
from nas.cli.spaces import spaces_app
from nas.cli.together import compute_of, together
from nas.cli.watch import watch_app

app = typer.Typer(
    name="nas",
    help="Neural architecture search: find the network that fits your device and budget.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(listing_app)
app.add_typer(show_app)
app.add_typer(report_app)
app.add_typer(watch_app)
app.add_typer(explain_app)
app.add_typer(measure_app)
app.add_typer(bench_app)
app.add_typer(proxy_app)
app.add_typer(predictors_app)
app.add_typer(product_app)
app.add_typer(spaces_app, name="spaces")
app.add_typer(devices_app, name="devices")


@app.command()
def search(
    context: typer.Context,
    space: options.Space = "mbconv",
    target: search_options.Targets = None,
    data: options.Data = None,
    path_column: options.PathColumn = None,
    label_column: options.LabelColumns = None,
    task: options.Task = None,
    class_weights: options.ClassWeights = "none",
    supernet: search_options.Supernet = None,
    evaluate: search_options.Evaluate = None,
    executor: search_options.Executor = None,
    workers: search_options.Workers = None,
    storage: search_options.Storage = None,
    join: search_options.Join = None,
    time_limit: search_options.TimeLimit = None,
    trainer: options.Trainer = "uniform",
    objective: search_options.Objectives = None,
    filter_: search_options.Filters = None,
    warm_start: search_options.WarmStart = None,
    proxy_images: search_options.ProxyImages = 64,
    reward: search_options.Reward = None,
    strategy: search_options.Strategy = None,
    strategy_set: search_options.StrategySet = None,
    steps: options.Steps = None,
    epochs: options.Epochs = None,
    minutes: options.Minutes = None,
    evaluations: search_options.Evaluations = 150,
    validation_images: search_options.ValidationImages = 2000,
    calibration_images: search_options.CalibrationImages = 256,
    seed: options.Seed = 0,
    resolution: options.Resolution = None,
    deploy_resolution: search_options.DeployResolution = None,
    compute: options.Compute = "auto",
    precision: options.Precision = "32-true",
    cutout: options.Cutout = 0,
    mixup: options.Mixup = 0.0,
    cutmix: options.Cutmix = 0.0,
    randaugment: options.Randaugment = None,
    log: options.Log = "none",
    devices: options.Devices = None,
    allow_estimates: options.AllowEstimates = False,
    set_: options.Set = None,
    out: options.Out = None,
    json: options.Json = False,
) -> None:
    """Train a supernet, search it under the targets, and export the winner."""
    if join is not None:
        join_run(join, storage, json, context)
        return
    resumable: list[Path] = []
    with together(json, resumable, devices, compute):
        settings = options.settings(set_)
        strategy_options = options.settings(strategy_set, "--strategy-set", "population=100")
        from nas import jobs
        from nas.cli.progress import TerminalReporter
        from nas.cli.run_tables import print_run

        run = jobs.search(
            space,
            target or [],
            data,
            out,
            TerminalReporter(),
            resumable.append,
            path_column=path_column,
            label_columns=tuple(label_column or ()),
            task=task,
            class_weights=class_weights,
            supernet=supernet,
            evaluate=evaluate,
            executor=executor,
            workers=workers,
            storage=storage,
            time_limit=time_limit,
            trainer=trainer,
            objectives=tuple(objective or ()),
            reward=reward,
            filters=tuple(filter_ or ()),
            warm_start=warm_start,
            proxy_images=proxy_images,
            strategy=strategy,
            strategy_options=strategy_options,
            steps=steps,
            epochs=epochs,
            minutes=minutes,
            evaluations=evaluations,
            validation_images=validation_images,
            calibration_images=calibration_images,
            seed=seed,
            resolution=resolution,
            deploy_resolution=deploy_resolution,
            compute=compute,
            precision=precision,
            cutout=cutout,
            mixup=mixup,
            cutmix=cutmix,
            randaugment=randaugment,
            log=log,
            allow_estimates=allow_estimates,
            settings=settings,
        )
        print_json(run.results) if json else print_run(run.results)


@app.command()
def train(
    space: options.Space = "mbconv",
    data: options.Data = None,
    path_column: options.PathColumn = None,
    label_column: options.LabelColumns = None,
    task: options.Task = None,
    class_weights: options.ClassWeights = "none",
    trainer: options.Trainer = "uniform",
    steps: options.Steps = None,
    epochs: options.Epochs = None,
    minutes: options.Minutes = None,
    seed: options.Seed = 0,
    resolution: options.Resolution = None,
    compute: options.Compute = "auto",
    precision: options.Precision = "32-true",
    cutout: options.Cutout = 0,
    mixup: options.Mixup = 0.0,
    cutmix: options.Cutmix = 0.0,
    randaugment: options.Randaugment = None,
    log: options.Log = "none",
    devices: options.Devices = None,
    allow_estimates: options.AllowEstimates = False,
    set_: options.Set = None,
    out: options.Out = None,
    json: options.Json = False,
) -> None:
    """Train a supernet alone, for any number of searches."""
    resumable: list[Path] = []
    with together(json, resumable, devices, compute):
        settings = options.settings(set_)
        from nas import jobs
        from nas.cli.progress import TerminalReporter
        from nas.cli.run_tables import print_run

        run = jobs.train(
            space,
            data,
            out,
            TerminalReporter(),
            resumable.append,
            path_column=path_column,
            label_columns=tuple(label_column or ()),
            task=task,
            class_weights=class_weights,
            trainer=trainer,
            steps=steps,
            epochs=epochs,
            minutes=minutes,
            seed=seed,
            resolution=resolution,
            compute=compute,
            precision=precision,
            cutout=cutout,
            mixup=mixup,
            cutmix=cutmix,
            randaugment=randaugment,
            log=log,
            allow_estimates=allow_estimates,
            settings=settings,
        )
        print_json(run.results) if json else print_run(run.results)


@app.command()
def resume(
    run: options.RunArgument,
    devices: options.Devices = None,
    executor: search_options.Executor = None,
    workers: search_options.Workers = None,
    storage: search_options.Storage = None,
    json: options.Json = False,
) -> None:
    """Go on with a run after any interruption."""
    with together(json, [Path(run)], devices, compute_of(Path(run))):
        from nas import jobs
        from nas.cli.progress import TerminalReporter
        from nas.cli.run_tables import print_run

        results = jobs.resume(run, TerminalReporter(), executor=executor, workers=workers, storage=storage).results
        print_json(results) if json else print_run(results)


@app.command()
def draw(
    target: Annotated[
        str, typer.Argument(metavar="SPACE|RUN", help="Search space, RUN:top3 among them, or folder of a finished run.")
    ],
    out: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--out", "-o", help="File that ends in .svg, .png or .pdf. [default: an SVG named after the network]"),
    ] = None,
    architecture: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="A known network, 'smallest', 'largest', or a JSON file. [default: the run's winner, else the space's first "
            "known network, else the largest]"
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Draw one network of a space, or the winner of a run."""
    with guarded(json):
        from nas.jobs.drawing import draw as draw_network

        result = draw_network(target, out, architecture)
        if json:
            print_json(result)
        else:
            print(f"Drew {result['name']} of {result['space']}: {result['file']}")


configurable(app)
app.add_typer(config_app, name="config")
