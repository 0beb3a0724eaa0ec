"""`nas explain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Optional

import typer

from nas.cli import options
from nas.cli.guard import guarded, print_json

explain_app = typer.Typer()


@explain_app.command()
def explain(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder of a search, finished or interrupted.")],
    predictor: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--with",
            metavar="PREDICTOR",
            help="Which predictor ranks modules; 'nas predictors' lists them. [default: autobuild, and gp where every unit is "
            "a single decision]",
        ),
    ] = None,
    metric: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="What is explained: top1, or another figure of the evaluations. [default: what was searched for]"),
    ] = None,
    plot: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="FILE", help="Draw it, too: a file that ends in .svg, .png or .pdf."),
    ] = None,
    top: Annotated[int, typer.Option(help="So many decisions, and modules of each unit, are shown.")] = 10,
    folds: Annotated[int, typer.Option(help="Parts of the cross-validation.")] = 3,
    seed: options.Seed = 0,
    set_: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", metavar="NAME=VALUE", help="Change an option of the predictor; repeatable."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Rank the decisions and the modules that mattered in a search."""
    with guarded(json):
        settings = options.settings(set_)
        from nas.cli.progress import TerminalReporter
        from nas.jobs import explain as explain_search

        found = explain_search(run, predictor, metric, plot, top, settings, folds, seed, reporter=TerminalReporter())
        if json:
            print_json(found)
        else:
            _print(found)


def _print(found: Mapping[str, Any]) -> None:
    """Decisions, kinds of options, modules, how far to trust them, and what to type next."""
    from nas.cli.tables import new_table, open_console, print_next

    console = open_console()
    console.print(f"What mattered for {found['metric']} in {found['evaluations']} evaluations of {found['space']}")
    decisions = new_table(
        "decision", "options", "fANOVA", "where it matters", "evaluations", f"{found['predictor']}, permutation"
    )
    for one in found["decisions"]:
        shares = (_share(one["fanova"]), _share(one["fanova_where_active"]))
        decisions.add_row(one["name"], _listed(one["options"]), *shares, str(one["evaluations"]), _share(one["permutation"]))
    console.print(decisions)
    if found["kinds"]:
        kinds = new_table("kind of decision", f"what {found['predictor']} gives each option by itself")
        for name, scores in found["kinds"].items():
            ordered = sorted(scores.items(), key=lambda pair: -pair[1])
            kinds.add_row(name, ", ".join(f"{option} {score:.3f}" for option, score in ordered[:10]))
        console.print(kinds)
    modules = new_table("unit", "modules", "spread", "best modules, by score")
    for unit in found["units"]:
        lines = [f"{module['score']:.3f}  {_module(unit['name'], module['decisions'])}" for module in unit["modules"][:3]]
        modules.add_row(unit["name"], str(unit["count"]), f"{unit['spread']:.3g}", "\n".join(lines))
    console.print(modules)
    quality = found["quality"]
    console.print(
        f"{found['predictor']} orders architectures that it has not seen with a Kendall tau of {quality['kendall_tau']:.2f} "
        f"(cross-validated in {found['folds']} parts)."
    )
    if found["warning"]:
        console.print(f"Warning: {found['warning']}.", style="bold", soft_wrap=True)
    console.print(
        "fANOVA and permutation are shares of the variance of all evaluations; a decision that does not always matter is "
        "looked at where it does.",
        style="dim",
        soft_wrap=True,
    )
    if found["plot"]:
        console.print(f"Drew {found['plot']}")
    print_next(console, found)


def _share(value: float | None) -> str:
    return "too few" if value is None else f"{100 * value:.1f} %"


def _listed(values: list[Any]) -> str:
    if len(values) <= 6:
        return "/".join(map(str, values))
    return f"{values[0]}..{values[-1]} ({len(values)})"


def _module(unit: str, decisions: Mapping[str, Any]) -> str:
    if len(decisions) == 1:
        return str(next(iter(decisions.values())))
    return " ".join(f"{name.removeprefix(f'{unit}.')}={option}" for name, option in decisions.items())
