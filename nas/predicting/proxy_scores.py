"""Zero-cost proxies of many architectures of a space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.progress import Reporter, Silent
from nas.base.seeds import integer_seed
from nas.data import Batch, ImageData, fixed_batches
from nas.predicting.proxy import NotDefined, Proxy, open_proxy
from nas.predicting.score_file import Found, ScoreFile
from nas.predicting.untrained import Untrained
from nas.supernet import Space, Task

Scores = npt.NDArray[np.float64]

BATCH = 64
"""Images that a proxy sees, as in zero-cost-nas."""


class ProxyScorer:
    """Scores rows by proxies; every row once.

    Each row's scores depend on the row, the data, the batch and the seed alone, not on what was scored before.

    Args:
        proxies: installed proxies, by name, or proxies with options of one's own.
        data: its first training images, the classes in proportion, make the batch.
        batch: how many images.
        device: where networks run.

    Raises:
        NasError: an unknown proxy, no proxy at all, or a batch that the data do not fill.
    """

    def __init__(
        self,
        space: Space,
        proxies: Sequence[str] | Mapping[str, Proxy],
        data: ImageData,
        batch: int = BATCH,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        if data.task.kind != "classification":
            raise NasError(
                f"zero-cost proxies score classifiers, and {data.name} is for {data.task.kind}; search by "
                "figures of trained networks instead"
            )
        if not proxies:
            raise NasError("no proxy is asked for; 'nas proxies' lists what is installed")
        self.proxies = dict(proxies) if isinstance(proxies, Mapping) else {name: open_proxy(name)() for name in proxies}
        self.task = Task(data.channels, data.resolution, len(data.classes))
        self.space = space.at(self.task)
        self.seed = seed
        self.device = torch.device(device)
        self.images, self.targets = _batch(data, batch, self.device)
        self.network = Untrained(space, self.task, seed)
        self._known: dict[bytes, dict[str, Found]] = {}
        self._file: ScoreFile | None = None

    @property
    def names(self) -> list[str]:
        """The proxies, in the order of the columns."""
        return list(self.proxies)

    def __call__(self, rows: Rows, reporter: Reporter | None = None) -> Scores:
        """(N, P): a column for each proxy; see `scores`.

        Raises:
            NotDefined: a proxy is defined for none of the networks.
        """
        found = self.scores(rows, reporter=reporter)
        missing = [name for name, column in zip(self.names, found.T, strict=True) if len(column) and np.isnan(column).all()]
        if missing:
            name = missing[0]
            fitting = [other for other in self.names if other not in missing]
            raise NotDefined(name, self.reason(rows[0], name) or "", *fitting)
        return found

    def scores(self, rows: Rows, names: Sequence[str] | None = None, reporter: Reporter | None = None) -> Scores:
        """(N, P): a column for each of some proxies; all by default.

        -inf where a network passes no signal on, nan where a proxy is not defined for a network (`reason` says why).

        Args:
            rows: (N, D) option indices; rows of the same network are one.
        """
        reporter = reporter or Silent()
        names = self.names if names is None else names
        rows = self.space.decisions.canonical(self.space.decisions.check(rows))
        keys = [row.tobytes() for row in rows]
        new = {key: row for key, row in zip(keys, rows, strict=True) if not self._known.get(key, {}).keys() >= set(names)}
        if new:
            counted = self._counted(np.stack(list(new.values())), names)
            slow = len(counted) < len(names)
            if slow:
                reporter.start("proxies", len(rows), len(rows) - len(new))
            try:
                for done, (key, row) in enumerate(new.items()):
                    self._score(key, row, names, {name: float(values[done]) for name, values in counted.items()})
                    if slow:
                        reporter.advance(len(rows) - len(new) + done + 1)
            finally:
                if slow:
                    reporter.finish()
        found = np.empty((len(keys), len(names)))
        for line, key in enumerate(keys):
            known = self._known[key]
            found[line] = [math.nan if isinstance(known[name], str) else known[name] for name in names]
        return found

    def reason(self, row: npt.ArrayLike, name: str) -> str | None:
        """Why a proxy has no score for the network of a row (D,) that was scored; None where it has one."""
        canonical = self.space.decisions.canonical(self.space.decisions.check(np.asarray(row)[None]))
        found = self._known[canonical[0].tobytes()][name]
        return found if isinstance(found, str) else None

    def keep(self, path: Path) -> None:
        """Take over the scores in a file, and write there what is found from now on. Raises NasError as `ScoreFile` does."""
        file = ScoreFile(path, len(self.space.decisions))
        read = file.read()
        for key, scores in self._known.items():
            unwritten = {name: value for name, value in scores.items() if name not in read.get(key, {})}
            self._write(file, key, unwritten)
        for key, scores in read.items():
            self._known.setdefault(key, {}).update(scores)
        self._file = file

    def of(self, name: str, network: nn.Module) -> float:
        """The score of a network by one of the proxies. Raises NotDefined where it means nothing."""
        generator = torch.Generator().manual_seed(integer_seed(self.seed, "proxies", name))
        return self.proxies[name].score(network, self.images, self.targets, generator)

    def _counted(self, rows: Rows, names: Sequence[str]) -> dict[str, Scores]:
        """Scores that are costs of the space, which need no network."""
        costs = {name: cost for name in names if (cost := self.proxies[name].cost) is not None}
        return {name: np.asarray(self.space.cost(cost, rows, self.task), dtype=np.float64) for name, cost in costs.items()}

    def _score(self, key: bytes, row: npt.NDArray[np.uint8], names: Sequence[str], counted: Mapping[str, float]) -> None:
        """Find the scores of one row that are not known."""
        known = self._known.setdefault(key, {})
        known.update(counted)
        missing = [name for name in names if name not in known]
        if not missing:
            return
        network = self.network(row).to(self.device)
        found: dict[str, Found] = {}
        for name in missing:
            try:
                found[name] = self.of(name, network)
            except NotDefined as error:
                found[name] = error.reason
        known.update(found)
        if self._file is not None:
            self._write(self._file, key, found)

    def _write(self, file: ScoreFile, key: bytes, scores: Mapping[str, Found]) -> None:
        """Write what is dear: costs are computed again faster than they are read."""
        dear = {name: value for name, value in scores.items() if self.proxies[name].cost is None}
        if dear:
            file.add(key, dear)


def score_rows(
    space: Space,
    rows: Rows,
    proxies: Sequence[str],
    data: ImageData,
    batch: int = BATCH,
    seed: int = 0,
    reporter: Reporter | None = None,
) -> Scores:
    """(N, P) scores of rows (N, D) by proxies; see `ProxyScorer`, which keeps them for further calls."""
    return ProxyScorer(space, proxies, data, batch, seed)(rows, reporter)


def _batch(data: ImageData, count: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The images (N, C, R, R) and targets (N,) that proxies see."""
    if not 2 <= count <= len(data.train):
        raise NasError(
            f"a batch of {count} images is asked for; legal: 2 to {len(data.train)}, the training images of {data.name}"
        )
    first: Batch = next(iter(fixed_batches(data, "train", count, count)))
    return first.images.to(device), first.targets.to(device)
