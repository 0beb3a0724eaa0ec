"""Networks that can be trained block by block, and what trainers of that kind need to know of them.

A network offers its blocks by a method:

    def block_sequence(self) -> Sequence[nn.Module]:

It returns the network's own modules in the order of its forward. The first takes images (a stem that comes before belongs to
it), each later one takes what the one before returns, and each returns one map (N, C, H, W). What follows the last block (a
head, the classifier) is left out. A decision belongs to the first block that reads it, and every combination of a block's own
decisions is legal after whatever was decided before.

A network whose decisions are no such chain (the positions of down-sampling are counted over the whole network, say) lists the
legal paths of a block itself, by two more methods:

    def block_paths(self, number: int, before: Mapping[str, Option]) -> Iterable[Mapping[str, Option]]:
    def block_path(self, number: int, decisions: Mapping[str, Option]) -> Hashable:

The first returns, for block `number` (from 0), the decisions of whole architectures, one for each legal path of the block,
which in all earlier blocks are the architecture `before`; what they are in later blocks does not matter. The second returns
what an architecture is in one block: equal for two architectures exactly where the block runs the same path.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from torch import nn

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.choices import Option, Value, assignments, evaluate, free_choices
from nas.elastic.symbolic import Recorder

if TYPE_CHECKING:
    from nas.supernet.space import Space


class NotDivisible(NasError):
    """A network cannot be trained block by block; the text says why."""


class Blocks:
    """The blocks of a network.

    Args:
        network: made by `space.build`, with or without memory.
        input_shape: (C, H, W) of the images.

    Attributes:
        modules: in order; each takes and returns one tensor.
        columns: for each block its own decisions, as columns of rows; empty tuples where the network lists paths itself.
        outputs: for each block every (C, H, W) that it may return.

    Raises:
        NotDivisible: the network does not say what its blocks are, or has decisions outside of them.
    """

    def __init__(self, space: Space, network: nn.Module, input_shape: tuple[int, int, int]) -> None:
        self.space = space
        self._network = cast(Any, network)
        if not callable(getattr(network, "block_sequence", None)):
            raise NotDivisible("its network does not say what its blocks are (block_sequence, see nas.supernet.blocks)")
        self.modules: tuple[nn.Module, ...] = tuple(self._network.block_sequence())
        if not self.modules:
            raise NotDivisible("its network has no block")
        self._lists = callable(getattr(network, "block_paths", None))
        self._listed: dict[tuple[int, Hashable], Rows] = {}
        self._known: dict[bytes, Any] = {}
        recorder = Recorder()
        x = recorder.tensor((1, *input_shape))
        outputs, columns = [], []
        known: set[str] = set()
        for module in self.modules:
            x = module(x)
            outputs.append(_sizes(x.shape[1:]))
            read = {name for name in recorder.uses if name in space.decisions.column}
            columns.append(tuple(sorted(space.decisions.column[name] for name in read - known)))
            known |= read
        outside = [name for name in space.decisions.names if name not in known]
        if outside:
            raise NotDivisible(f"decision '{outside[0]}' is read outside of its blocks, where nothing would be learnt of it")
        self.outputs = tuple(outputs)
        self.columns = tuple(() for _ in columns) if self._lists else tuple(columns)

    def __len__(self) -> int:
        return len(self.modules)

    def listed(self, number: int, row: np.ndarray) -> Rows | None:
        """The legal paths of a block, one row each, that agree with a row (D,) in all earlier blocks.

        None where every combination of the block's own decisions is legal.
        """
        if not self._lists:
            return None
        key = (number, tuple(self.path(earlier, row) for earlier in range(number)))
        if key not in self._listed:
            before = self._decoded(row)
            self._listed[key] = self._encoded(self._network.block_paths(number, before))
        return self._listed[key]

    def combined(self, number: int, row: np.ndarray, codes: np.ndarray) -> Rows:
        """Rows (P, D) like a row (D,) but for a block's own decisions, (P, d) options of `columns[number]`; canonical."""
        rows = np.array(np.broadcast_to(row, (len(codes), len(row))), dtype=np.uint8, order="F")
        rows[:, list(self.columns[number])] = codes
        return self.space.decisions.canonical(rows)

    def path(self, number: int, row: np.ndarray) -> Hashable:
        """What an architecture (D,) is in one block."""
        if self._lists:
            return self._network.block_path(number, self._decoded(row))  # type: ignore[no-any-return]
        canonical = self.space.decisions.canonical(np.asfortranarray(row[None]))[0]
        return tuple(canonical[list(self.columns[number])].tolist())

    def _decoded(self, row: np.ndarray) -> Any:
        key = row.tobytes()
        if key not in self._known:
            self._known[key] = self.space.decode(np.asfortranarray(row[None]))[0]
        return self._known[key]

    def _encoded(self, every: Iterable[Mapping[str, Option]]) -> Rows:
        """Rows of the decisions that a network lists; all at once, since checking each by itself takes seconds."""
        decisions = self.space.decisions
        codes = []
        for chosen in every:
            codes.append([0] * len(decisions))
            for name, option in chosen.items():
                column = decisions.column[name]
                codes[-1][column] = decisions.choices[column].index(option)
        return decisions.check(np.array(codes))


def _sizes(shape: tuple[Value, ...]) -> tuple[tuple[int, ...], ...]:
    """Every joint value of a shape, the widest first."""
    codes = assignments(free_choices(*shape))
    columns = np.broadcast_arrays(*(np.atleast_1d(evaluate(size, codes)) for size in shape))
    return tuple(sorted({tuple(map(int, sizes)) for sizes in zip(*columns, strict=True)}, reverse=True))
