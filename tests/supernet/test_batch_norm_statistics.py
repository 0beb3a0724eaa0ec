"""Batch-norm statistics belong to one sub-network and are estimated afresh for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nas.architectures.decisions import Rows
from nas.supernet import Space, Supernet


@pytest.fixture(scope="module")
def supernet(mbconv: Space) -> Supernet:
    return mbconv.supernet(3, 48, 10, seed=2)


def batches(*sizes: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(9)
    return [torch.randn(size, 3, 48, 48, generator=generator) + index for index, size in enumerate(sizes)]


def scores(supernet: Supernet, row: np.ndarray) -> torch.Tensor:
    supernet.activate(row)
    statistics = supernet.calibrate(batches(4, 4))
    supernet.eval()
    with supernet.using(statistics), torch.no_grad():
        return supernet(batches(3)[0])


def test_candidates_never_influence_each_other(supernet: Supernet, mbconv_rows: Rows) -> None:
    first, other = mbconv_rows[0], mbconv_rows[1]
    once = scores(supernet, first)
    between = scores(supernet, other)
    again = scores(supernet, first)
    assert torch.equal(once, again)
    assert not torch.allclose(once, between)


def test_estimates_equal_torchs_cumulative_average(supernet: Supernet, mbconv_rows: Rows) -> None:
    for row in mbconv_rows[-3:]:
        supernet.activate(row)
        statistics = supernet.calibrate(batches(4, 4, 4))
        reference = supernet.extract(row).eval()
        for module in reference.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None
                module.train()
        with torch.no_grad():
            for images in batches(4, 4, 4):
                reference(images)
        extracted = supernet.extract(row, statistics)
        norms = [name for name, module in reference.named_modules() if isinstance(module, nn.BatchNorm2d)]
        assert set(norms) == set(statistics.values), "of every batch norm that the sub-network runs, and of no other"
        for name in norms:
            expected, found = reference.get_submodule(name), extracted.get_submodule(name)
            torch.testing.assert_close(found.running_mean, expected.running_mean, atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(found.running_var, expected.running_var, atol=1e-5, rtol=1e-4)
            assert expected.running_var.std() > 0


def test_each_batch_counts_by_its_size(supernet: Supernet) -> None:
    """The first norm sees the same inputs whatever comes after, so its average can be had by hand."""
    supernet.activate(supernet.space.largest)
    found = supernet.calibrate(batches(6, 2)).values["stem.norm"]
    conv = supernet.network.get_submodule("stem.conv")
    with torch.no_grad():
        means, variances = zip(
            *((y.mean((0, 2, 3)), y.transpose(0, 1).flatten(1).var(1)) for y in map(conv, batches(6, 2))), strict=True
        )
    torch.testing.assert_close(found[0], 0.75 * means[0] + 0.25 * means[1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[1], 0.75 * variances[0] + 0.25 * variances[1], atol=1e-5, rtol=1e-4)


def test_calibration_changes_nothing_of_the_supernet(supernet: Supernet, mbconv_rows: Rows) -> None:
    supernet.train()
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    modes = {name: module.training for name, module in supernet.named_modules()}
    supernet.activate(mbconv_rows[2])
    supernet.calibrate(batches(4))
    after = supernet.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert modes == {name: module.training for name, module in supernet.named_modules()}
    assert all(parameter.grad is None for parameter in supernet.parameters())


def test_calibration_is_the_same_in_either_mode(supernet: Supernet, mbconv_rows: Rows) -> None:
    """Dropout is off while statistics are estimated."""
    supernet.activate(mbconv_rows[3])
    training = supernet.train().calibrate(batches(4)).values
    evaluation = supernet.eval().calibrate(batches(4)).values
    for name, (mean, variance) in training.items():
        assert torch.equal(mean, evaluation[name][0]) and torch.equal(variance, evaluation[name][1])


def test_evaluation_without_statistics_is_refused(supernet: Supernet, mbconv_rows: Rows) -> None:
    supernet.activate(mbconv_rows[0])
    statistics = supernet.calibrate(batches(4))
    supernet.eval()
    with pytest.raises(RuntimeError, match="calibrate"):
        supernet(batches(2)[0])
    with supernet.using(statistics):
        supernet(batches(2)[0])
    with pytest.raises(RuntimeError, match="calibrate"):
        supernet(batches(2)[0])


def test_statistics_of_a_smaller_network_do_not_serve_a_larger_one(supernet: Supernet) -> None:
    supernet.activate(supernet.space.smallest)
    statistics = supernet.calibrate(batches(4))
    supernet.eval()
    supernet.activate(supernet.space.largest)
    with supernet.using(statistics), pytest.raises(RuntimeError):
        supernet(batches(2)[0])


def test_lending_ends_with_an_error_inside(supernet: Supernet) -> None:
    supernet.activate(supernet.space.smallest)
    statistics = supernet.calibrate(batches(4))
    with pytest.raises(ValueError, match="stop"), supernet.using(statistics):
        raise ValueError("stop")
    with pytest.raises(RuntimeError, match="calibrate"):
        supernet.eval()(batches(2)[0])


def test_no_batches_are_refused(supernet: Supernet) -> None:
    with pytest.raises(ValueError, match="at least one batch"):
        supernet.calibrate([])
