"""A search by a device's latency keeps to the resolutions at which the device was measured."""

from __future__ import annotations

import numpy as np
import pytest

from nas.architectures import Restricted
from nas.base.errors import NasError
from nas.runs import RunConfig, prepare
from nas.runs.measured_part import kept_resolutions, measured_part
from nas.runs.reduction import KeptUnit, Reduction, reduction_of
from nas.supernet import Space, Task, open_space

MEASURED = {160, 176, 192, 208, 224}


def config(**given: object) -> RunConfig:
    return RunConfig.checked(**{"space": "mbconv:ofa-w1.2", "resolution": 16, "compute": "cpu", **given})


@pytest.fixture(scope="module")
def space() -> Space:
    return open_space("mbconv:ofa-w1.2")


def resolutions(space: Space, count: int = 200) -> set[object]:
    rows = space.decisions.sample(np.random.default_rng(0), count)
    return {network["resolution"] for network in space.decode(rows)}


@pytest.mark.parametrize("asked", [{"targets": ("note10-latency=30ms",)}, {"objectives": ("top1", "note10-latency:min")}])
def test_targets_and_objectives_keep_a_run_to_what_was_measured(space: Space, asked: dict[str, tuple[str, ...]]) -> None:
    setting = prepare(config(**asked))
    assert resolutions(setting.space) == MEASURED
    assert setting.space.whole is space, "whose supernet is trained, and serves every device"
    assert setting.deployed_at == Task(1, 224, 10)
    assert set(setting.space.known) == {"note10-30ms"}


def test_other_targets_leave_the_space_whole(space: Space) -> None:
    assert measured_part(space, config(targets=("macs<=300M",))) is space
    assert kept_resolutions(space, "macs") is None
    plain = open_space("mbconv:single-path")
    assert measured_part(plain, config(targets=("pixel-latency=80ms",))) is plain


def test_the_deployment_resolution_is_that_of_the_largest_option(space: Space) -> None:
    """At 208 px the options keep their ratios: 172 is 160 px, 224 is 208 px, and no other comes to a side that was measured."""
    part = measured_part(space, config(targets=("note10-latency=30ms",), deploy_resolution=208))
    assert resolutions(part) == {172, 224}
    with pytest.raises(NasError, match=r"'note10' was measured at 160, .* one of .*16 px"):
        measured_part(space, config(targets=("note10-latency=30ms",), deploy_resolution=16))


def test_a_bound_that_cannot_be_kept_is_told_with_figures_of_what_was_measured() -> None:
    with pytest.raises(
        NasError, match=r"minimum is 9\.89 ms \(median of random networks \d+\.\d+ ms, maximum of \d+ \d+\.\d+ ms"
    ):
        prepare(config(targets=("note10-latency=5ms",)))


def test_a_reduced_space_stays_reduced(space: Space) -> None:
    kept = (
        KeptUnit("first", ("stage1.block1.kernel",), ((3,),)),
        KeptUnit("sides", ("resolution",), ((128,), (160,), (220,), (224,))),
    )
    reduced = Reduction("/run", 2, space.name, "ridge", 0.5, kept).applied(space)
    part = measured_part(reduced, config(targets=("note10-latency=30ms",)))
    assert isinstance(part.decisions, Restricted)
    assert resolutions(part) == {160, 224}
    assert {
        network["stage1.block1.kernel"] for network in part.decode(part.decisions.sample(np.random.default_rng(0), 50))
    } == {3}
    assert reduction_of(part) is reduction_of(reduced)
