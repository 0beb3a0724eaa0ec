"""What an accuracy predictor is."""

from __future__ import annotations

import hashlib
import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Rows
from nas.base import plugins
from nas.base.errors import NasError, unknown
from nas.base.json_text import parsed
from nas.base.threads import one_blas_thread
from nas.predicting.encoding import Encoding
from nas.predicting.quality import Numbers, Quality, quality_of

FEWEST = 5
"""Fewer values than this are no basis for a regression."""


class Predictor(ABC):
    """Learns a figure of architectures from some of them, and predicts it for others.

    A subclass gives `learn` and `estimate`, and `tensors` and `restore` for its file. Its options are keyword arguments of
    `__init__` with the paper's defaults, kept as attributes of the same names. Random numbers come from the seed alone.

    Attributes:
        summary: one line for listings.
        source: the paper.
        reads_features: whether it reads the encoding's features; others read graphs, or the decisions themselves, so that
            further columns are lost on them.
        quick: options with which it is fitted where that is done for every batch of a search: without values held out for
            intervals, of which a search only compares the widths.
    """

    summary: ClassVar[str]
    source: ClassVar[str]
    reads_features: ClassVar[bool] = True
    quick: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def __init__(self, encoding: Encoding, seed: int = 0) -> None:
        self.encoding = encoding
        self.seed = seed
        self.fitted = False

    @abstractmethod
    def learn(self, rows: Rows, values: Numbers) -> None:
        """Fit to canonical rows (N, D) and finite values (N,), forgetting what was learned before."""

    @abstractmethod
    def estimate(self, rows: Rows) -> tuple[Numbers, Numbers]:
        """Mean (N,) and standard deviation (N,) for canonical rows (N, D)."""

    @abstractmethod
    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """Everything learned, as arrays by name."""

    @abstractmethod
    def restore(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what `tensors` gave. May raise KeyError or ValueError where it does not fit."""

    def fit(self, rows: npt.ArrayLike, values: npt.ArrayLike) -> None:
        """Learn from architectures and their values.

        Args:
            rows: (N, D) option indices.
            values: (N,), in any unit; large or small may be better.

        Raises:
            NasError: fewer than 5 architectures, another number of values, or a value that is not finite.
        """
        checked = self.encoding.decisions.check(rows)
        given = np.asarray(values, dtype=np.float64)
        if given.shape != (len(checked),):
            raise NasError(f"{len(checked)} architectures need as many values; given an array of shape {given.shape}")
        if len(given) < FEWEST:
            raise NasError(f"a predictor learns from at least {FEWEST} evaluated architectures; given {len(given)}")
        if not np.isfinite(given).all():
            raise NasError(f"value {int(np.argmin(np.isfinite(given)))} is not finite; leave failed evaluations out")
        with one_blas_thread():
            self.learn(checked, given)
        self.fitted = True

    def predict(self, rows: npt.ArrayLike) -> tuple[Numbers, Numbers]:
        """Mean (N,) and standard deviation (N,), in the unit of the values.

        The deviation is scaled so that mean +- 1.645 deviations holds nine in ten unseen values.

        Raises:
            NasError: nothing has been learned, or rows of another space.
        """
        if not self.fitted:
            raise NasError("this predictor has learned nothing yet; call fit, or load it from a file")
        checked = self.encoding.decisions.check(rows)
        if not len(checked):
            return np.empty(0), np.empty(0)
        return self.estimate(checked)

    def score(self, rows: npt.ArrayLike, values: npt.ArrayLike) -> Quality:
        """Predictions for rows (N, D) that were held out, beside their true values (N,)."""
        mean, deviation = self.predict(rows)
        return quality_of(mean, deviation, np.asarray(values, dtype=np.float64))

    @classmethod
    def options(cls) -> dict[str, Any]:
        """Option -> default."""
        parameters = inspect.signature(cls.__init__).parameters.values()
        return {p.name: p.default for p in parameters if p.name not in ("self", "encoding", "seed")}

    def save(self, path: str | Path, about: str | None = None) -> None:
        """Write a safetensors file, whole or not at all.

        Args:
            about: a note that `read_about` reads again.

        Raises:
            NasError: nothing was learned, or it cannot be written.
        """
        import torch

        from nas.supernet.weights import save_tensors

        if not self.fitted:
            raise NasError("this predictor has learned nothing yet; there is nothing to save")
        arrays = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in self.tensors().items()}
        metadata = {"predictor": _class_name(type(self)), "facts": json.dumps(self._facts())}
        save_tensors(Path(path), arrays, metadata if about is None else {**metadata, "about": about})

    @classmethod
    def load(cls, path: str | Path, encoding: Encoding) -> Self:
        """A predictor of this class from a file that `save` wrote, with the encoding that it was fitted with.

        Raises:
            NasError: the file is missing or damaged, holds another predictor, or belongs to another space or encoding.
        """
        tensors, metadata = _read(path)
        if metadata["predictor"] != _class_name(cls):
            raise NasError(f"{path} holds a {metadata['predictor']}, not a {_class_name(cls)}")
        try:
            facts = parsed(metadata["facts"])
            found = cls(encoding, facts["seed"], **facts["options"])
            if found._facts() != facts:
                raise NasError(
                    f"{path} was fitted to another space, or with another encoding; open it with the ones it was made with"
                )
            found.restore(tensors)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise NasError(f"{path} is damaged or was written by another version: {type(error).__name__}: {error}") from error
        found.fitted = True
        return found

    def _facts(self) -> dict[str, Any]:
        """What must be the same for a file to be this predictor's."""
        decisions = self.encoding.decisions
        listed = json.dumps([(choice.name, choice.options) for choice in decisions.choices])
        return {
            "seed": self.seed,
            "options": {name: getattr(self, name) for name in self.options()},
            "decisions": hashlib.sha256(listed.encode()).hexdigest(),
            "features": self.encoding.features(decisions.smallest()).shape[1],
        }


def open_predictor(name: str) -> type[Predictor]:
    """The installed predictor of that name. Raises NasError that lists what is installed."""
    found: Any = plugins.load("predictors", name, "predictor")
    if not (isinstance(found, type) and issubclass(found, Predictor)):
        raise NasError(f"the entry point of predictor '{name}' must be a subclass of nas.predicting.Predictor; it is {found!r}")
    return found


def make_predictor(name: str, encoding: Encoding, seed: int = 0, settings: Mapping[str, Any] | None = None) -> Predictor:
    """An installed predictor with some options changed.

    Args:
        settings: option -> value; text, as from the command line, is read as JSON or taken as it is.

    Raises:
        NasError: the predictor or an option is unknown, or a value has another type than the default.
    """
    found = open_predictor(name)
    defaults = found.options()
    chosen: dict[str, Any] = {}
    for option, value in (settings or {}).items():
        if option not in defaults:
            raise unknown(f"option of predictor '{name}'", option, defaults)
        chosen[option] = _converted(name, option, value, defaults[option])
    return found(encoding, seed, **chosen)


def load_predictor(path: str | Path, encoding: Encoding) -> Predictor:
    """The predictor in a file, whichever installed one it is. Raises NasError as `Predictor.load` does."""
    _, metadata = _read(path)
    for name in plugins.installed("predictors"):
        found = open_predictor(name)
        if _class_name(found) == metadata["predictor"]:
            return found.load(path, encoding)
    raise unknown("predictor", metadata["predictor"], plugins.installed("predictors"), f"{path} was written by it.")


def read_about(path: str | Path) -> str | None:
    """The note with which a predictor was saved, if any. Raises NasError when the file is missing, damaged or no predictor."""
    return _read(path)[1].get("about")


def require_features(name: str, why: str) -> None:
    """Raise NasError where an installed predictor reads no features, so that those asked for would be lost.

    Args:
        why: what has features, as the user wrote it.
    """
    if not open_predictor(name).reads_features:
        fitting = [other for other in plugins.installed("predictors") if open_predictor(other).reads_features]
        raise NasError(
            f"predictor '{name}' reads no features, and {why} would be lost on it; take one of: {', '.join(fitting)}"
        )


def _converted(predictor: str, option: str, value: Any, default: Any) -> Any:
    if isinstance(value, str) and not isinstance(default, str):
        try:
            value = parsed(value)
        except ValueError:
            value = str(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        raise NasError(
            f"option '{option}' of predictor '{predictor}' is a {type(default).__name__}, by default {default}; given {value!r}"
        )
    return value


def _class_name(found: type[Predictor]) -> str:
    return f"{found.__module__}:{found.__qualname__}"


def _read(path: str | Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    from nas.supernet.weights import load_tensors

    tensors, metadata = load_tensors(Path(path), "predictor")
    if not {"predictor", "facts"} <= metadata.keys():
        raise NasError(f"{path} is no predictor; one is written by: nas predictor fit RUN --out FILE")
    return {name: tensor.numpy() for name, tensor in tensors.items()}, metadata
