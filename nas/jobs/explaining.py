"""Explaining a search: which decisions and which modules mattered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.drawing import draw_importance
from nas.drawing.measure import require_matplotlib
from nas.drawing.picture import check_suffix
from nas.runs.explained import FOLDS, explain_run
from nas.supernet import Space

TOP = 10


def explain(
    path: str | Path,
    predictor: str | None = None,
    metric: str | None = None,
    plot: str | Path | None = None,
    top: int = TOP,
    settings: Mapping[str, Any] | None = None,
    folds: int = FOLDS,
    seed: int = 0,
    space: Space | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Rank the decisions and the modules of a search, finished or interrupted, by what its evaluations came to.

    Decisions are ranked by fANOVA and by how much the predictor relies on them; see `nas.predicting.fanova` and
    `nas.predicting.importance`. Modules are ranked by the predictor, see `nas.predicting.ranking`.

    Args:
        path: the run's folder, in which the explanation is kept; 'RUN:top3' as a space is what it says is best.
        predictor: an installed one; by default `autobuild`, and `gp` where every unit is a single decision.
        metric: what is explained, of the figures that an evaluation gives; what the run searched for by default.
        plot: a file that ends in .svg, .png or .pdf; none is drawn by default.
        top: how many decisions, and modules of each unit, are in the answer and in the plot.
        settings: options of the predictor that are changed.
        folds: of the cross-validation.
        space: for a run of a space that only exists as an object: the same again.

    Returns:
        {"run", "space", "metric", "direction", "predictor", "source", "options", "seed", "evaluations", "folds", "quality",
        "warning", "decisions": [{"name", "options", "evaluations", "fanova", "fanova_where_active", "permutation"}], "kinds",
        "units": [{"name", "decisions", "by", "count", "spread", "quartiles", "modules": [{"layers", "decisions", "score"}]}],
        "plot", "next": [...]}.

    Raises:
        NasError: no run, one with too few evaluations or that is being written, or something that was asked for is unknown.
    """
    if top < 1:
        raise NasError(f"--top is a number from 1; given {top}")
    if seed < 0:
        raise NasError(f"--seed is a whole number from 0; given {seed}")
    if plot is not None:
        check_suffix(Path(plot))
        require_matplotlib()
    found = explain_run(Path(path), predictor, metric, settings, folds, seed, space, reporter)
    units = [{**unit, "modules": unit["modules"][:top]} for unit in found.pop("units")]
    del found["format"], found["digest"]
    result = {"run": str(path), **found, "decisions": found["decisions"][:top], "units": units}
    if plot is not None:
        draw_importance(result, Path(plot))
    following = [f"nas search --space {path}:top3", f"nas spaces {path}:top3", f"nas predictor fit {path}"]
    return {**result, "plot": None if plot is None else str(plot), "next": following}
