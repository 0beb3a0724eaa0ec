"""SortedNet: nested sub-networks, each on its share of the batch, one update."""

from __future__ import annotations

import numpy as np
import pytest
import torch.nn.functional as F
from exact_step import exact_step
from tiny_spaces import tiny_mobile
from tiny_training import stepper, tiny_space

from nas.base.errors import NasError
from nas.training import Recipe
from nas.training.trainers.sorted_net import SortedNet


def figures(**changes: object) -> Recipe:
    plain = {"momentum": 0.0, "weight_decay": 0.0, "batch_size": 8, "dropout": 0.0}
    return SortedNet.defaults.changed({**plain, **changes})


@pytest.mark.parametrize(("count", "shares"), [(1, [8]), (3, [2, 3, 3]), (4, [2, 2, 2, 2])])
def test_the_update_is_the_mean_over_all_images_of_each_share_s_own_loss(count: int, shares: list[int]) -> None:
    done = exact_step(tiny_mobile(), SortedNet(), figures(accumulated=count))
    assert len(done.asked) == count
    begin, total = 0, 0.0
    for one, share in zip(done.asked, shares, strict=True):
        images, targets = (part[begin : begin + share] for part in (done.batch.images, done.batch.targets))
        done.reference.activate(one.row)
        loss = F.cross_entropy(done.reference(images), targets, reduction="sum") / 8
        loss.backward()
        total += loss.item()
        begin += share
    assert begin == 8
    assert done.total == pytest.approx(total, rel=1e-9)
    done.compare()
    assert all(one.regularised for one in done.asked)


def test_sub_networks_are_drawn_uniformly() -> None:
    space = tiny_mobile()
    rows = [one.row for step in range(8) for one in exact_step(space, SortedNet(), figures(accumulated=4), step=step).asked]
    drawn = space.decisions.canonical(np.asfortranarray(rows))
    assert (drawn == np.array(rows)).all()
    assert len(np.unique(drawn, axis=0)) > 28


def test_too_few_images_for_the_sub_networks_are_refused() -> None:
    with pytest.raises(NasError, match=r"8 images a step .* cannot be shared by 5 sub-networks.*set batch_size to 10 or more"):
        stepper(tiny_mobile().supernet(1, 16, 4), SortedNet(), figures(accumulated=5))


def test_spaces_that_choose_between_operators_are_refused() -> None:
    why = SortedNet.misfit(tiny_space(), SortedNet.defaults)
    assert why is not None
    assert "not nested" in why
    assert SortedNet.misfit(tiny_mobile(), SortedNet.defaults) is None
