"""What stands in for evaluations: a table of results, or a fitted predictor."""

from __future__ import annotations

from pathlib import Path

from nas.predicting import open_fitted
from nas.searching.predicted import PredictorEvaluator
from nas.searching.tables import TableEvaluator, read_table
from nas.supernet import Space

TABLES = (".csv", ".csv.gz")


def open_results(path: str | Path, space: Space) -> TableEvaluator | PredictorEvaluator:
    """What is in a file: results for a name that ends in .csv or .csv.gz, else a predictor that `nas predictor fit` wrote.

    Raises:
        NasError: it cannot be read, or belongs to another space.
    """
    if str(path).endswith(TABLES):
        return read_table(path, space)
    return PredictorEvaluator(*open_fitted(path, space))
