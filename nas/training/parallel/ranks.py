"""Several processes that train one supernet together, each on its part of every batch."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together.

    Attributes:
        rank: 0 to size - 1; rank 0 writes files and shows progress.
        size: how many there are; 1 for an ordinary training.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its mean over the processes, in place and in one reduction."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.detach().copy_(part.view(tensor.shape))

    def share(self, make: Callable[[], T]) -> T:
        """What rank 0 makes, in all processes; the others wait for it."""
        if self.size == 1:
            return make()
        box: list[Any] = [make() if self.leads else None]
        dist.broadcast_object_list(box, src=0)
        made: T = box[0]
        return made

    def gather(self, value: T) -> list[T]:
        """The values of all processes, by rank."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def wait(self) -> None:
        """Until all processes have come here."""
        if self.size > 1:
            dist.barrier()

    @contextlib.contextmanager
    def file(self, path: Path | None) -> Iterator[Path | None]:
        """A file of rank 0 where this process can read it, on whichever machine; None where there is none."""
        if self.size == 1:
            yield path if path is not None and path.exists() else None
            return
        content = self.share(lambda: path.read_bytes() if path is not None and path.exists() else None)
        if content is None or self.leads:
            yield None if content is None else path
            return
        with tempfile.TemporaryDirectory() as folder:
            copied = Path(folder) / "copy"
            copied.write_bytes(content)
            yield copied


def current_ranks() -> Ranks:
    """The process group that is in force, or one process alone."""
    if dist.is_available() and dist.is_initialized():
        return Ranks(dist.get_rank(), dist.get_world_size())
    return Ranks()
