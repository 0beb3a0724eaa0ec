"""Residual branches: their last norms, and drop path in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from nas.elastic import ElasticBatchNorm2d, ElasticConv2d
from nas.elastic.drop_path import DropPath
from nas.elastic.residual import last_norms, zero_last_norms
from nas.supernet import Task
from nas.supernet.extract import extract
from nas.training import Recipe
from nas.training.regularisers import Regularisers
from search_spaces.mbconv.attentive import MACRO
from search_spaces.mbconv.blocks import MBConv
from search_spaces.mbconv.fbnet import FBNetNetwork
from search_spaces.mbconv.stages import StagedNetwork


class Block(nn.Module):
    """x + norm(conv(x))."""

    def __init__(self, affine: bool = True) -> None:
        super().__init__()
        self.conv = ElasticConv2d(2, 2, 3)
        self.norm = ElasticBatchNorm2d(2, affine=affine)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.norm(self.conv(x))  # type: ignore[no-any-return]

    def last_norms(self) -> Iterator[nn.Module]:
        yield self.norm


def test_a_network_of_zeroed_blocks_is_the_identity() -> None:
    network = nn.Sequential(Block(), nn.Sequential(Block()), Block(affine=False))
    assert len(list(last_norms(network))) == 3
    assert zero_last_norms(network) == 2
    images = torch.randn(3, 2, 4, 4)
    torch.testing.assert_close(network[:2](images), images)
    assert not torch.allclose(network(images), images)


@pytest.mark.parametrize(("residual", "stride"), [(None, 1), (True, 2), (False, 1), (None, 2)])
def test_only_blocks_with_a_shortcut_have_last_norms(residual: bool | None, stride: int) -> None:
    block = MBConv(4, 4, 3, 2, stride, residual=residual)
    images = torch.randn(2, 4, 6, 6)
    assert zero_last_norms(block) == int(block.residual)
    if block.residual:
        torch.testing.assert_close(block(images), block.shortcut(images))
    else:
        assert block(images).abs().sum() > 0


def test_every_residual_block_of_a_network_is_found() -> None:
    network = FBNetNetwork(Task(3, 32, 10))
    added = [name for name, module in network.named_modules() if getattr(module, "residual", False)]
    assert len(added) == len(list(last_norms(network))) > 50


def test_without_a_ramp_the_probability_is_constant() -> None:
    path = DropPath(0.4, depth=0.5, ramp=False)
    assert path.probability == 0.0
    for progress in (0.0, 0.3, 1.0):
        Regularisers(path, Recipe()).set_progress(progress)
        assert path.probability == pytest.approx(0.2)


def test_attentive_blocks_are_dropped_as_its_authors_do() -> None:
    """In the last two stages, where stride is 1 and widths agree, with the share of blocks before them."""
    with torch.device("meta"):
        network = StagedNetwork(Task(3, 224, 10), MACRO)
    depths = [max(stage.depth) for stage in MACRO.stages]
    expected = {}
    for stage in (5, 6):
        for block in range(1, depths[stage]):
            expected[f"stages.{stage}.blocks.{block}.drop"] = (sum(depths[:stage]) + block) / sum(depths)
    found = {name: module.depth for name, module in network.named_modules() if isinstance(module, DropPath)}
    assert found == pytest.approx(expected)
    assert len(found) == 8


def dropping() -> MBConv:
    """A block whose branch is always dropped."""
    block = MBConv(4, 4, 3, 2, drop_depth=1.0)
    assert isinstance(block.drop, DropPath)
    return block


def test_a_dropped_branch_leaves_the_shortcut_example_by_example() -> None:
    torch.manual_seed(0)
    block, images = dropping(), torch.randn(64, 4, 6, 6)
    whole = block(images) - images
    block.drop.final = 0.5  # type: ignore[assignment]
    Regularisers(block, Recipe()).set_progress(0.0)
    branch = block(images) - images
    dropped = branch.flatten(1).abs().amax(1) == 0
    assert 10 < int(dropped.sum()) < 54
    torch.testing.assert_close(branch[~dropped], 2 * whole[~dropped], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_extracted_networks_have_no_drop_path(training: bool) -> None:
    block = dropping().train(training)
    block.drop.final = 0.5  # type: ignore[assignment]
    Regularisers(block, Recipe()).set_progress(1.0)
    for module in block.modules():
        if isinstance(module, ElasticBatchNorm2d):
            module.statistics = (torch.zeros(module.chosen()[0]), torch.ones(module.chosen()[0]))
    extracted = extract(block)
    assert "drop" not in extracted.code
    assert not any("drop" in name for name, _ in extracted.named_modules())
    images = torch.randn(8, 4, 6, 6)
    block.drop.final = 0.0  # type: ignore[assignment]
    Regularisers(block, Recipe()).set_progress(1.0)
    torch.testing.assert_close(extracted(images), block(images))
