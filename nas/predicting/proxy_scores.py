"""Zero-cost proxies of many architectures of a space."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import fx, nn

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.progress import Reporter, Silent
from nas.base.seeds import integer_seed
from nas.data import Batch, ImageData, fixed_batches
from nas.predicting.proxy import NotDefined, Proxy, open_proxy
from nas.supernet import SeparateSpace, Space, Supernet, Task

Scores = npt.NDArray[np.float64]

BATCH = 64
"""Images that a proxy sees, as in zero-cost-nas."""


class Untrained:
    """Networks of a space at initialisation, each as if it had been built by itself.

    Every layer has torch's own initialisation, which the papers on proxies assume, drawn for the widths that the network
    has: slices of a fresh supernet would be scaled for the widest. Parameters that belong to no layer of torch, such as
    position embeddings, are the definition's own.

    Args:
        task: what the networks are built for.
        seed: the weights of a row depend on it and the row alone.
    """

    def __init__(self, space: Space, task: Task, seed: int = 0) -> None:
        self.space = space.at(task)
        self.task = task
        self.seed = seed
        self._supernet: Supernet | None = None

    def __call__(self, row: npt.NDArray[np.uint8]) -> fx.GraphModule:
        """The network of a canonical row (D,) in plain torch."""
        network = self._built(row)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(integer_seed(self.seed, "proxies/weights"))
            for module in network.modules():
                reset = _reset(module)
                if reset is not None:
                    reset()
        return network

    def _built(self, row: npt.NDArray[np.uint8]) -> fx.GraphModule:
        if isinstance(self.space, SeparateSpace):
            return self.space.network_of(row, self.task, integer_seed(self.seed, "proxies/definition"))
        if self._supernet is None:
            seed = integer_seed(self.seed, "proxies/definition")
            self._supernet = self.space.supernet(self.task.channels, self.task.resolution, self.task.classes, seed)
        return self._supernet.extract(row)


def _reset(module: nn.Module) -> Callable[[], None] | None:
    """What draws the parameters of one of torch's own layers anew."""
    found = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    return found if callable(found) else None


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
        if not proxies:
            raise NasError("no proxy is asked for; 'nas proxies' lists what is installed")
        self.proxies = dict(proxies) if isinstance(proxies, Mapping) else {name: open_proxy(name)() for name in proxies}
        self.task = Task(data.channels, data.resolution, len(data.classes))
        self.space = space.at(self.task)
        self.seed = seed
        self.device = torch.device(device)
        self.images, self.targets = _batch(data, batch, self.device)
        self.network = Untrained(space, self.task, seed)
        self.reasons: dict[str, str] = {}
        self._known: dict[bytes, Scores] = {}

    @property
    def names(self) -> list[str]:
        """The proxies, in the order of the columns."""
        return list(self.proxies)

    def __call__(self, rows: Rows, reporter: Reporter | None = None) -> Scores:
        """(N, P): a column for each proxy.

        -inf where a network passes no signal on, nan where a proxy is not defined for a network (`reasons` says why).

        Args:
            rows: (N, D) option indices; rows of the same network are one.

        Raises:
            NasError: a proxy is defined for none of the networks, or they overflow.
        """
        reporter = reporter or Silent()
        rows = self.space.decisions.canonical(self.space.decisions.check(rows))
        names = [row.tobytes() for row in rows]
        new = {name: row for name, row in zip(names, rows, strict=True) if name not in self._known}
        if new:
            reporter.start("Proxies", len(rows), len(rows) - len(new))
            counted = self._counted(np.stack(list(new.values())))
            for done, (name, row) in enumerate(new.items(), 1):
                self._known[name] = self._scores(row, {proxy: float(values[done - 1]) for proxy, values in counted.items()})
                reporter.advance(len(rows) - len(new) + done)
            reporter.finish()
        if not names:
            return np.empty((0, len(self.proxies)))
        scores = np.stack([self._known[name] for name in names])
        for column, name in enumerate(self.proxies):
            if np.isnan(scores[:, column]).all():
                raise NotDefined(name, self.reasons[name], *(other for other in self.proxies if other not in self.reasons))
        return scores

    def of(self, name: str, network: nn.Module) -> float:
        """The score of a network by one of the proxies. Raises NotDefined where it means nothing."""
        generator = torch.Generator().manual_seed(integer_seed(self.seed, "proxies", name))
        return self.proxies[name].score(network, self.images, self.targets, generator)

    def _counted(self, rows: Rows) -> dict[str, Scores]:
        """Scores that are costs of the space, which need no network."""
        found = {}
        for name, proxy in self.proxies.items():
            if proxy.cost is not None:
                found[name] = np.asarray(self.space.cost(proxy.cost, rows, self.task), dtype=np.float64)
        return found

    def _scores(self, row: npt.NDArray[np.uint8], counted: Mapping[str, float]) -> Scores:
        """(P,) scores of one row."""
        network = None
        scores = np.full(len(self.proxies), np.nan)
        for column, name in enumerate(self.proxies):
            if name in counted:
                scores[column] = counted[name]
                continue
            if network is None:
                network = self.network(row).to(self.device)
            try:
                scores[column] = self.of(name, network)
            except NotDefined as error:
                self.reasons.setdefault(name, error.reason)
        return scores


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
