"""The network that a run has left, with its weights."""

from __future__ import annotations

from torch import fx

from nas.architectures import Architecture
from nas.base.errors import NasError
from nas.runs.folder import RunFolder
from nas.supernet import Space, Task
from nas.supernet.weights import load_tensors


def winner_of(folder: RunFolder, space: Space, architecture: Architecture, task: Task) -> fx.GraphModule:
    """The network of a finished run, on the CPU.

    Raises:
        NasError: the weights are gone, or another network's.
    """
    network = space.network(architecture, task)
    weights, _ = load_tensors(folder.weights, "the network's weights")
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise NasError(f"{folder.weights} does not belong to the network in {folder.winner}") from error
    return network
