"""`nas export`, `nas eval` and `nas retrain`: from the winner of a run to what is deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from nas.base.errors import NasError
from nas.cli import options
from nas.cli.guard import guarded, print_json
from nas.cli.together import compute_of, together

product_app = typer.Typer()


@product_app.command()
def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder of a finished search, or of a retrained network.")],
    out: Annotated[Optional[str], typer.Option(help="Folder for the files. [default: the run's own]")] = None,  # noqa: UP045
    formats: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="onnx, onnx-fp16, onnx-int8, torch-export, openvino or executorch. Repeatable; ONNX and plain PyTorch are "
            "always written.",
        ),
    ] = None,
    calibration_images: Annotated[
        int, typer.Option(help="At most so many training images give formats with integers their ranges.")
    ] = 256,
    validation_images: Annotated[
        int, typer.Option(help="At most so many validation images tell the accuracy of a format before and after.")
    ] = 2000,
    json: options.Json = False,
) -> None:
    """Write a run's network as ONNX, plain PyTorch and further formats, and compare each with PyTorch."""
    with guarded(json):
        from nas import jobs
        from nas.cli.product_tables import print_export
        from nas.cli.progress import TerminalReporter

        result = jobs.export(
            run,
            out,
            formats=tuple(formats or ()),
            calibration_images=calibration_images,
            validation_images=validation_images,
            reporter=TerminalReporter(),
        )
        if json:
            print_json(result)
        else:
            print_export(result)


@product_app.command(name="eval")
def evaluate(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE|RUN", help="An exported file, or the folder of a run, of a retrained network or of exported files."
        ),
    ],
    data: Annotated[
        str,
        typer.Option(help="'digits', a folder, or a CSV file: images with classes, labels or numbers that the network knows."),
    ],
    split: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="train, validation, test or all. [default: test where the data has such a split or is what the network was "
            "trained on, else all]"
        ),
    ] = None,
    path_column: options.PathColumn = None,
    label_column: options.LabelColumns = None,
    task: Annotated[Optional[str], typer.Option(help="The network's own; another one is an error.")] = None,  # noqa: UP045
    batch: Annotated[int, typer.Option(help="Images at a time.")] = 128,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Open a file that may hold code (model.py, model.pt2): only for files of your own."),
    ] = False,
    json: options.Json = False,
) -> None:
    """Score an exported file, or a run's network, on labelled images."""
    with guarded(json):
        from nas import jobs
        from nas.cli.product_tables import print_evaluation
        from nas.cli.progress import TerminalReporter

        result = jobs.evaluate(
            target,
            data,
            split,
            batch,
            trust,
            TerminalReporter(),
            path_column=path_column,
            label_columns=tuple(label_column or ()),
            task=task,
        )
        if json:
            print_json(result)
        else:
            print_evaluation(result)


@product_app.command()
def retrain(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder of a finished search.")],
    inherit: Annotated[
        bool, typer.Option("--inherit", help="Go on with the weights that the run gave the network. [default]")
    ] = False,
    scratch: Annotated[bool, typer.Option("--scratch", help="Begin with fresh weights.")] = False,
    architecture: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--arch", help="A known network, 'smallest', 'largest', or a JSON file. [default: the run's winner]", metavar="ARCH"
        ),
    ] = None,
    runner_up: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(metavar="N", help="Train the run's runner-up N, counted from 1, not the winner."),
    ] = None,
    steps: options.Steps = None,
    epochs: options.Epochs = None,
    minutes: options.Minutes = None,
    distill: Annotated[bool, typer.Option("--distill", help="Let the supernet's largest network teach it.")] = False,
    distill_weight: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="The teacher's share in the loss, 0 to 1. [default: 0.5]"),
    ] = None,
    temperature: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="By which the scores of teacher and network are divided. [default: 2]"),
    ] = None,
    seed: Annotated[Optional[int], typer.Option(help="Of the training. [default: the run's]")] = None,  # noqa: UP045
    compute: Annotated[Optional[str], typer.Option(help="auto, cpu or cuda. [default: the run's]")] = None,  # noqa: UP045
    precision: Annotated[Optional[str], typer.Option(help="32-true or bf16-mixed. [default: the run's]")] = None,  # noqa: UP045
    cutout: Annotated[Optional[int], typer.Option(help="As for a search. [default: the run's]")] = None,  # noqa: UP045
    mixup: Annotated[Optional[float], typer.Option(help="As for a search. [default: the run's]")] = None,  # noqa: UP045
    cutmix: Annotated[Optional[float], typer.Option(help="As for a search. [default: the run's]")] = None,  # noqa: UP045
    randaugment: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="N,M", help="As for a search. [default: the run's]"),
    ] = None,
    log: options.Log = "none",
    devices: options.Devices = None,
    set_: options.Set = None,
    out: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Folder, new or empty. [default: RUN/retrained-inherit or RUN/retrained-scratch, numbered from the second]"
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Train a run's winner, or another of its networks, by itself."""
    resumable: list[Path] = []
    with together(json, resumable, devices, compute or compute_of(Path(run))):
        if inherit and scratch:
            raise NasError("--inherit and --scratch are the two ways to begin; give one of them")
        settings = options.settings(set_)
        from nas import jobs
        from nas.cli.progress import TerminalReporter
        from nas.cli.run_tables import print_run

        found = jobs.retrain(
            run,
            "scratch" if scratch else "inherit",
            architecture,
            runner_up,
            out,
            TerminalReporter(),
            resumable.append,
            distill=distill,
            distill_weight=distill_weight,
            temperature=temperature,
            steps=steps,
            epochs=epochs,
            minutes=minutes,
            seed=seed,
            compute=compute,
            precision=precision,
            cutout=cutout,
            mixup=mixup,
            cutmix=cutmix,
            randaugment=randaugment,
            log=log,
            settings=settings,
        ).results
        print_json(found) if json else print_run(found)
