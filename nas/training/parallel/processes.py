"""Joining the processes that torch's launcher has started for one training."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from nas.training.parallel.ranks import Ranks, current_ranks

_failures: Store | None = None


class Follower(SystemExit):
    """Ends a process other than the first, with success: what follows the training is the first one's work."""

    def __init__(self) -> None:
        super().__init__(0)


@contextlib.contextmanager
def joined_processes(compute: str) -> Iterator[Ranks]:
    """Inside, this process and the others that `torchrun` started are one group, over NCCL between CUDA devices, else gloo.

    Args:
        compute: 'auto', 'cpu' or 'cuda'; with CUDA each process has the device of its number on its machine.
    """
    global _failures
    cuda = compute != "cpu" and torch.cuda.is_available()
    store, rank, size = next(iter(rendezvous("env://")))
    _failures = PrefixStore("nas", store)
    device = None
    if cuda:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, device_id=device)
    try:
        yield current_ranks()
    except SystemExit:
        dist.destroy_process_group()
        raise
    # After an error the group is left as it is: taking it down would wait for processes that are gone.
    dist.destroy_process_group()


def first_to_fail() -> bool:
    """Whether no other process of the group has failed before this one; asked once, by a process that is about to end.

    What the others meet then is a broken connection, of which nobody needs to hear.
    """
    try:
        return _failures is None or _failures.add("failures", 1) == 1
    except RuntimeError:  # the launcher is gone
        return True
