"""Fitted predictors in files that say what they were fitted to, so that they can stand in for evaluations."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.data import load_data
from nas.predicting.encoding import Encoding
from nas.predicting.predictor import Predictor, load_predictor, read_about
from nas.predicting.proxy_features import with_proxies
from nas.predicting.proxy_scores import BATCH, ProxyScorer
from nas.supernet import Space


class FittedTo(BaseModel):
    """What a predictor was fitted to, as its file says.

    Attributes:
        metric: what it predicts, such as 'top1'.
        encoding: a variant of the space's encoding; None for the space's own.
        proxies: further features, from `images` training images of `data` at `resolution`.
        seed: of the data's splits and of the untrained networks that proxies score.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: str
    metric: str = "top1"
    encoding: str | None = None
    proxies: tuple[str, ...] = ()
    data: str = "digits"
    resolution: int | None = None
    images: int = BATCH
    seed: int = 0

    def seen(self, space: Space, rows: Rows | None = None, reporter: Reporter | None = None) -> Encoding:
        """The encoding that the predictor reads.

        Args:
            rows: (N, D) whose proxies are worked out at once, and one of which each proxy must be defined for.

        Raises:
            NasError: an encoding, a proxy or data that there are not, or a proxy that means nothing for these networks.
        """
        found = space.encoding if self.encoding is None else space.encoding.variant(self.encoding)
        if not self.proxies:
            return found
        images = load_data(self.data, resolution=self.resolution, seed=self.seed, reporter=reporter)
        scorer = ProxyScorer(space, list(self.proxies), images, self.images, self.seed)
        if rows is not None:
            scorer(rows, reporter)
        return with_proxies(found, scorer.scores)


def save_fitted(predictor: Predictor, path: str | Path, fitted_to: FittedTo) -> None:
    """Write a fitted predictor with what it was fitted to. Raises NasError as `Predictor.save` does."""
    predictor.save(path, fitted_to.model_dump_json())


def open_fitted(path: str | Path, space: Space) -> tuple[Predictor, str]:
    """A fitted predictor and what it predicts.

    A file of `Predictor.save` alone is taken for one of 'top1' that reads the space's own encoding.

    Raises:
        NasError: the file is missing, damaged or no predictor, or belongs to another space.
    """
    about = read_about(path)
    try:
        fitted_to = FittedTo(space=space.name) if about is None else FittedTo.model_validate_json(about)
    except ValidationError as error:
        raise NasError(f"{path} is damaged or was written by another version: {error.errors()[0]['msg']}") from error
    try:
        return load_predictor(path, fitted_to.seen(space)), fitted_to.metric
    except NasError as error:
        if fitted_to.space == space.name:
            raise
        raise NasError(
            f"{path} was fitted to networks of space '{fitted_to.space}', and this search is of '{space.name}'; search the "
            f"former with --space {fitted_to.space}, or fit a predictor to a run of the latter: nas predictor fit RUN --out "
            "FILE"
        ) from error
