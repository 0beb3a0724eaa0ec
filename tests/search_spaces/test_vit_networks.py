"""Networks of the vision-transformer spaces: extracted exactly, counted exactly, for any picture."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from vit_spaces import PRESETS

from nas.checking.counting import fvcore_macs
from nas.exporting import export_onnx
from nas.supernet import Space, Task, open_space
from search_spaces.vit.autoformer import AutoFormerOptions, autoformer
from search_spaces.vit.blocks import patch_side
from search_spaces.vit.resnas import TINY, resnas
from search_spaces.vit.s3 import StageIntervals, s3
from search_spaces.vit.windows import barrier, window_side

SMALLEST = ("autoformer-t", "resnas-tiny", "s3-t")
TASK = Task(1, 32, 10)


@cache
def narrow(family: str) -> Space:
    """Spaces of the same kinds with few and narrow blocks, whose networks take milliseconds."""
    if family == "autoformer":
        return autoformer("narrow", AutoFormerOptions((16, 24), (1, 2), (1, 2), (2.0, 3.5)))
    if family == "resnas":
        widths = ((16, 24), (24, 32), (32, 40))
        heads, hidden = ((1, 2),) * 3, ((32, 48),) * 3
        return resnas("narrow", replace(TINY, blocks=(2, 2, 2), embeds=widths, heads=heads, hidden=hidden))
    stages = [((1, 2, 3), (8, 16), (7, 14)), ((2, 3), (16, 24), (14,)), ((2,), (32,), (7, 14)), ((1, 2), (32, 40), (7,))]
    return s3("s3-t", [StageIntervals(*three, (1, 2), (8, 16), (2.0, 4.0)) for three in stages])


FAMILIES = ("autoformer", "resnas", "s3")


def assert_exact(space: Space, task: Task, count: int, seed: int = 0) -> None:
    """Supernet = extracted at batch 1 and 5, and both counts are those of the extracted network."""
    rows = space.decisions.sample(np.random.default_rng(seed), count)
    supernet = space.supernet(task.channels, task.resolution, task.classes).eval()
    images = torch.randn(5, *task.input_shape)
    macs, params = (space.compiled(metric, task)(rows) for metric in ("macs", "params"))
    for index, row in enumerate(rows):
        supernet.activate(row)
        statistics = supernet.calibrate([images])
        network = supernet.extract(row, statistics).eval()
        with torch.no_grad(), supernet.using(statistics):
            for batch in (images, images[:1]):
                assert torch.allclose(supernet(batch), network(batch), atol=1e-5)
            assert torch.allclose(network(images)[:1], network(images[:1]), atol=1e-5)
        assert params[index] == sum(parameter.numel() for parameter in network.parameters())
        assert macs[index] == fvcore_macs(network, images[:1])[""]
    assert len(set(macs)) > 1


@pytest.mark.parametrize("preset", SMALLEST)
def test_sub_networks_are_extracted_and_counted_exactly(preset: str) -> None:
    assert_exact(open_space(f"vit:{preset}"), TASK, 2)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("resolution", [8, 28, 112])
def test_any_picture_will_do(family: str, resolution: int) -> None:
    """Grids of odd side, patches that do not fill the picture, windows as large as the map."""
    assert_exact(narrow(family), Task(2, resolution, 3), 3, seed=resolution)


@pytest.mark.parametrize("family", ["autoformer", *(pytest.param(family, marks=pytest.mark.slow) for family in FAMILIES[1:])])
def test_narrow_networks_leave_as_onnx(family: str, tmp_path: Path) -> None:
    space = narrow(family)
    row = space.encode([space.smallest])[0]
    supernet = space.supernet(1, 32, 10)
    network = supernet.extract(row, supernet.calibrate([torch.randn(4, 1, 32, 32)])).eval()
    assert export_onnx(network, tmp_path / "network.onnx", (1, 32, 32), {}).agrees


@pytest.mark.parametrize("preset", PRESETS)
def test_the_algebra_is_closed(preset: str) -> None:
    space = open_space(f"vit:{preset}")
    rng = np.random.default_rng(0)
    rows = space.decisions.sample(rng, 200)
    for made in (rows, space.decisions.mutate(rows, rng, 0.3), space.decisions.crossover(rows, rows[::-1], rng)):
        assert np.array_equal(space.decisions.check(made), made)
        assert np.array_equal(space.encode(space.decode(made)), made)
        assert np.array_equal(space.decisions.from_one_hot(space.decisions.one_hot(made)), made)
    for architecture in space.decode(rows[:3]):
        assert space.validate(str(architecture)) == architecture


def test_window_attention_reaches_the_window_and_nothing_else() -> None:
    """With a shift of two, a place at the border is alone with the two places of its own strip."""
    blocked = barrier(8, 4)
    assert blocked.shape == (4, 1, 16, 16)
    assert not blocked[0].any()
    last = (blocked[3, 0] == 0).sum(1)
    assert last.tolist() == [4] * 16, "four quarters of 2 x 2 that came from the four corners of the map"
    beside = (blocked[1, 0] == 0).sum(1)
    assert beside.tolist() == [8] * 16


def test_a_shifted_window_block_is_local_on_the_original_map() -> None:
    """Changing one place changes only places less than a window away: nothing leaks around the border."""
    space = narrow("s3")
    supernet = space.supernet(1, 32, 10).eval()
    supernet.activate(dict(space.largest) | {"stage1.window": 14})
    shifted = supernet.network.stages[0].blocks[1]
    x = torch.randn(1, 16, 16, 16)
    other = x.clone()
    other[0, 0, 0] += 1
    with torch.no_grad():
        changed = (shifted(x) - shifted(other)).abs().sum(-1)[0] > 1e-7
    assert changed[:2, :2].all(), "the corner's own part of a window of four, shifted by two"
    assert changed.sum() == 4


def test_windows_keep_their_share_of_the_map() -> None:
    assert [window_side(7, side, 56) for side in (56, 96, 64, 16)] == [7, 12, 8, 2]
    assert window_side(14, 7, 7) == 7, "never larger than the map"
    assert window_side(7, 23, 56) == 23, "a side that nothing divides is one window"


def test_patches_are_the_papers_at_the_papers_scale_only() -> None:
    assert [patch_side(resolution, 16) for resolution in (224, 384, 112, 96, 32, 8, 4)] == [16, 16, 16, 12, 4, 1, 1]


def test_mean_features_leave_out_the_class_token() -> None:
    """The head reads the mean of the patches: without attention, the class token would have no part in the scores."""
    space = narrow("autoformer")
    supernet = space.supernet(1, 32, 10).eval()
    for block in supernet.network.blocks.blocks:
        for layer in (block.attention.projection, block.mlp.project):
            torch.nn.init.zeros_(layer.weight)
    images = torch.randn(2, 1, 32, 32)
    before = supernet(images)
    torch.nn.init.normal_(supernet.network.class_token.token.full)
    assert torch.equal(before, supernet(images))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_hundred_thousand_networks_are_encoded_and_costed_at_once(preset: str) -> None:
    space = open_space(f"vit:{preset}")
    rows = space.decisions.sample(np.random.default_rng(0), 100_000)
    assert len(space.decisions.one_hot(rows)) == len(rows)
    assert space.cost("macs", rows).min() > 0
    assert space.cost("params", rows).min() > 0
