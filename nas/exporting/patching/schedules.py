"""What a network costs when its first stage runs patch by patch: for each stage and grid, and the best under a budget."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import fx

from nas.base.errors import NasError
from nas.base.units import MEMORY
from nas.costs import MEMORY_MODELS, MemoryModel
from nas.elastic import walk
from nas.exporting.patching.counting import largest, macs_of, macs_of_nodes, peak_of, total_length, walk_of_patch
from nas.exporting.patching.patched import before, rest
from nas.exporting.patching.stage import Stage, ends, parts

GRIDS = (2, 3, 4)
"""Patches along each side of the stage's output that are tried by default."""

IN_PLACE = MEMORY_MODELS["mcu-memory"]
"""int8, depthwise convolutions in place."""


@dataclass(frozen=True)
class Schedule:
    """The first `blocks` blocks run on `grid` x `grid` patches; memory in bytes, operations in multiply-adds.

    Attributes:
        end: name of the last node of the stage.
        block: what the last block is called.
        patch: height and width of the part of the image that the largest patch reads.
        macs: of the whole network without patches.
        stage_macs: of the stage without patches.
        patched_macs: of all patches, as they are run: cut off at the borders of each map.
        whole_macs: of all patches if those at the borders were computed as large as those inside.
        buffer: of the stage's output.
        stage_memory: the peak while patches run: the stage's output, and the activations of one patch, its part of the image
            among them. The whole image is not counted: it is read part by part.
        rest_memory: the peak of what follows.
    """

    blocks: int
    end: str
    block: str
    grid: int
    patch: tuple[int, int]
    macs: int
    stage_macs: int
    patched_macs: int
    whole_macs: int
    buffer: int
    stage_memory: int
    rest_memory: int

    @property
    def memory(self) -> int:
        """The peak of the whole network."""
        return max(self.stage_memory, self.rest_memory)

    @property
    def stage_overhead(self) -> float:
        """Multiply-adds that patches add to the stage, as a share of the stage's."""
        return self.patched_macs / self.stage_macs - 1

    @property
    def overhead(self) -> float:
        """The same as a share of the network's."""
        return (self.patched_macs - self.stage_macs) / self.macs

    @property
    def whole_stage_overhead(self) -> float:
        """`stage_overhead` with every patch as large as those inside."""
        return self.whole_macs / self.stage_macs - 1

    @property
    def whole_overhead(self) -> float:
        """`overhead` with every patch as large as those inside."""
        return (self.whole_macs - self.stage_macs) / self.macs


@dataclass(frozen=True)
class Plan:
    """All schedules of a network.

    Attributes:
        memory: the peak without patches.
        macs: multiply-adds without patches.
    """

    memory: int
    macs: int
    schedules: tuple[Schedule, ...]

    def best(self, budget: float | None = None) -> Schedule | None:
        """The schedule of the fewest multiply-adds under a budget in bytes; without one that of the least memory.

        Returns:
            None where the network keeps the budget without patches.

        Raises:
            NasError: no schedule keeps the budget, with the least memory that one needs.
        """
        if budget is None:
            return min(self.schedules, key=lambda schedule: (schedule.memory, schedule.patched_macs))
        if self.memory <= budget:
            return None
        kept = [schedule for schedule in self.schedules if schedule.memory <= budget]
        if not kept:
            least = min(schedule.memory for schedule in self.schedules)
            raise NasError(
                f"no schedule keeps {MEMORY.format(budget)}: the least that one needs is {MEMORY.format(least)}, and without "
                f"patches it is {MEMORY.format(self.memory)}; try other grids, a lower resolution or a smaller network"
            )
        return min(kept, key=lambda schedule: (schedule.overhead, schedule.memory))


def plan(
    network: fx.GraphModule,
    input_shape: tuple[int, int, int],
    grids: Sequence[int] = GRIDS,
    blocks: Mapping[str, str] | None = None,
    model: MemoryModel = IN_PLACE,
) -> Plan:
    """Work out every schedule of a network, without running it.

    Args:
        network: extracted, in evaluation mode; its weights may be on the meta device.
        input_shape: (C, H, W).
        grids: patches along each side; those with more parts than an output has rows are left out, and so are schedules in
            which every patch reads the whole image.
        blocks: the ends of stages that count as a block, with the names of the blocks; all `ends` by default.
        model: how activations are held.

    Raises:
        NasError: nothing of the network can be run patch by patch, or no grid fits any stage.
    """
    wrong = [grid for grid in grids if grid < 2]
    if wrong:
        raise NasError(f"a grid has at least 2 patches along each side; given {wrong[0]}")
    legal = ends(network)
    named = {end: end for end in legal} if blocks is None else {end: name for end, name in blocks.items() if end in legal}
    whole = walk(network, input_shape)
    total = macs_of(whole)
    found = []
    for count, (end, name) in enumerate(named.items(), 1):
        stage = Stage(network, end, (input_shape[1], input_shape[2]))
        fitting = [grid for grid in grids if grid <= min(stage.output)]
        found += list(_schedules(stage, input_shape, fitting, model, (count, name, total)))
    if not found:
        raise NasError("no stage of this network can be divided by these grids; ask for fewer patches, such as 2")
    return Plan(peak_of(whole, model), total, tuple(found))


def _schedules(
    stage: Stage, input_shape: tuple[int, int, int], grids: Sequence[int], model: MemoryModel, facts: tuple[int, str, int]
) -> Iterator[Schedule]:
    """The schedules of one stage.

    Args:
        facts: how many blocks it has, the name of the last, and the multiply-adds of the network.
    """
    count, name, total = facts
    alone = walk(before(stage), input_shape)
    channels = int(alone.output[1])
    costs = macs_of_nodes(stage, alone)
    after = peak_of(walk(rest(stage), (channels, *stage.output)), model)
    buffer = channels * stage.output[0] * stage.output[1] * model.bytes_per_element
    for grid in grids:
        axes = [[stage.needs(axis, part) for part in parts(stage.output[axis], grid)] for axis in (0, 1)]
        sides = [max(needs[stage.image][0][1] - needs[stage.image][0][0] for needs in axis) for axis in axes]
        if tuple(sides) == stage.size:
            continue
        # A map's area is the product of its sides, so the area of all patches is the product of the sums of sides.
        inside, unclipped = (
            sum(
                macs
                * total_length(axes[0], node, which)
                * total_length(axes[1], node, which)
                // (stage.sizes[node][0] * stage.sizes[node][1])
                for node, macs in costs.items()
            )
            for which in (0, 1)
        )
        patches = itertools.product(*(largest(axis) for axis in axes))
        peak = max(peak_of(walk_of_patch(stage, needs, input_shape[0]), model) for needs in patches)
        yield Schedule(
            count,
            stage.end,
            name,
            grid,
            (sides[0], sides[1]),
            total,
            sum(costs.values()),
            inside,
            unclipped,
            buffer,
            buffer + peak,
            after,
        )
