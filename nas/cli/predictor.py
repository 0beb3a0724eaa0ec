"""`nas predictor` and `nas predictors`."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from nas.cli import options
from nas.cli.guard import guarded, print_json
from nas.cli.listing import print_rows

predictors_app = typer.Typer()
predictor_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
predictors_app.add_typer(predictor_app, name="predictor", help="Fit an accuracy predictor to a run.")


@predictor_app.callback()
def predictor() -> None:
    """Fit an accuracy predictor to a run."""


@predictors_app.command()
def predictors(json: options.Json = False) -> None:
    """List the accuracy predictors."""
    with guarded(json):
        from nas.base.plugins import installed
        from nas.predicting import open_predictor

        found = {name: open_predictor(name) for name in installed("predictors")}
        rows = [{"name": name, "summary": p.summary, "source": p.source, "options": p.options()} for name, p in found.items()]
        if not json:
            rows = [{key: row[key] for key in ("name", "summary", "source")} for row in rows]
        print_rows("predictors", rows, json, "nas predictor fit RUN --predictor NAME")


@predictor_app.command()
def fit(
    run: options.RunArgument,
    name: Annotated[str, typer.Option("--predictor", metavar="NAME", help="'nas predictors' lists them.")] = "gp",
    out: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="FILE", help="Write the fitted predictor to a safetensors file. [default: none is written]"),
    ] = None,
    metric: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="What is predicted, of the figures of the run's evaluations. [default: top1, map or r2]"),
    ] = None,
    encoding: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="How architectures are seen: one-hot, or paths in cell spaces. [default: the space's own]"),
    ] = None,
    proxy: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(metavar="NAME", help="A zero-cost proxy as a further feature; repeatable. 'nas proxies' lists them."),
    ] = None,
    folds: Annotated[int, typer.Option(help="Parts of the cross-validation.")] = 5,
    seed: options.Seed = 0,
    set_: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", metavar="NAME=VALUE", help="Change an option of the predictor; repeatable."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Fit a predictor to a run's evaluations, and say how well it predicts those that it has not seen."""
    with guarded(json):
        settings = options.settings(set_)
        from nas.cli.progress import TerminalReporter
        from nas.jobs.predicting import fit_predictor

        result = fit_predictor(
            run, name, out, metric, encoding, proxy or (), folds, settings, seed, reporter=TerminalReporter()
        )
        if json:
            print_json(result)
        else:
            _print(result)


def _print(result: dict[str, Any]) -> None:
    """The figures, what they mean, and what to type next."""
    from nas.cli.tables import new_table, open_console, print_next

    console = open_console()
    console.print(
        f"{result['predictor']}, fitted to {result['metric']} of {result['evaluations']} networks of {result['space']}; "
        f"cross-validated in {result['folds']} parts"
    )
    quality = result["quality"]
    table = new_table("figure", "value", "what it is")
    table.add_row("Kendall tau", f"{quality['kendall_tau']:.3f}", "pairs in the right order minus pairs in the wrong one")
    table.add_row("Spearman", f"{quality['spearman']:.3f}", "correlation of the ranks")
    table.add_row("RMSE", f"{quality['rmse']:.3g}", f"typical error, in the unit of {result['metric']}")
    table.add_row("coverage", f"{100 * quality['coverage']:.0f} %", "values inside their 90 % intervals; 90 % is right")
    console.print(table)
    if result["file"]:
        console.print(f"Wrote {result['file']}")
    print_next(console, result)
