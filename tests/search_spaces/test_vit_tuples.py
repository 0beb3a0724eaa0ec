"""Networks of ViT-ResNAS as the paper's tuples: written, read, and refused where they do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from nas.base.errors import NasError
from nas.costs import macs_terms
from nas.elastic import walk
from nas.supernet import Space, Task, open_space
from search_spaces.vit.resnas import SEARCHED, SMALL, TINY, network, resnas
from search_spaces.vit.resnas_layers import ResNasOptions, read, written
from search_spaces.vit.resnas_network import Layer, ResNasNetwork, apply_depth_rule

TASK = Task(1, 32, 10)


def tiny() -> Space:
    return open_space("vit:resnas-tiny")


@pytest.mark.parametrize(
    ("options", "name"), [(TINY, "vit-resnas-tiny"), (SMALL, "vit-resnas-small"), (SMALL, "vit-resnas-medium")]
)
def test_published_networks_survive_reading_and_writing(options: ResNasOptions, name: str) -> None:
    assert written(options, read(options, SEARCHED[name])) == SEARCHED[name]


def test_random_architectures_survive_writing_and_reading() -> None:
    space = tiny()
    for architecture in space.sample(np.random.default_rng(0), 30):
        full = written(TINY, architecture, full=True)
        assert space.validate(read(TINY, full)) == architecture
        short = written(TINY, architecture)
        assert all(layer[3] == 1 for layer in short if layer[0] == 1)
        assert written(TINY, read(TINY, short)) == short, "the same network, whichever blocks were left out"


def test_the_tuples_describe_the_same_network() -> None:
    """One made from its tuples alone, without the space, costs the same."""
    space = tiny()
    for architecture in space.sample(np.random.default_rng(1), 2):
        found = walk(ResNasNetwork(written(TINY, architecture, classes=10), TASK), TASK.input_shape)
        assert sum(int(term.evaluate({})) for term in macs_terms(found)) == space.cost("macs", architecture, TASK)


def edited(layers: tuple[Layer, ...], place: int, layer: Layer) -> tuple[Layer, ...]:
    return (*layers[:place], layer, *layers[place + 1 :])


def test_tuples_that_do_not_fit_are_refused() -> None:
    good = SEARCHED["vit-resnas-tiny"]
    with pytest.raises(NasError, match="begins with"):
        read(TINY, edited(good, 0, (0, 176)))
    with pytest.raises(NasError, match="32 features a head"):
        read(TINY, edited(good, 1, (1, (176, 3, 64), (176, 704), 1)))
    with pytest.raises(NasError, match="does not fit behind"):
        read(TINY, edited(good, 6, (3, 192, 352)))
    with pytest.raises(NasError, match="3 to 6 blocks; given 0"):
        read(TINY, (good[0], *good[6:]))
    with pytest.raises(NasError, match=r"decision 'stage1.embed' cannot be 100; legal: 160, 176"):
        tiny().validate(read(TINY, network((100, 352, 704), ([3] * 3,) * 3, TINY.head_dims, ([384] * 3,) * 3)))
    with pytest.raises(NasError, match="cannot stand between"):
        ResNasNetwork(((4, 8), (7, 8), (2, 8, 10)), TASK)


def test_both_other_embeddings_are_built() -> None:
    for first in ((0, 8), (5, 8, 16)):
        made = ResNasNetwork((first, (1, (8, 2, 4), (8, 16), 1), (1, (8, 2, 4), (8, 16), 0), (2, 8, 10)), TASK)
        assert len(made.layers) == 1, "a block that is left out is no part"
        assert walk(made, TASK.input_shape).output == (1, 10)


def test_the_depth_rule_switches_off_runs_of_removable_blocks() -> None:
    on, off = True, False
    assert apply_depth_rule((on, off, on, on), (off, on, on, off)) == (on, off, off, on)
    assert apply_depth_rule((on, on, off, on), (off, on, on, on)) == (on, on, off, off)
    assert apply_depth_rule((on, off, on, off, on), (off, on, off, on, off)) == (on, off, on, off, on)


def test_spaces_with_runs_of_removable_blocks_keep_the_depth_rule() -> None:
    options = ResNasOptions((4,), (2, 3, 4), ((8, 16),), ((1, 2),), (4,), ((16, 32),))
    space = resnas("runs", options)
    for architecture in space.sample(np.random.default_rng(2), 40):
        exists = [bool(layer[3]) for layer in written(options, architecture, full=True)[1:-1]]
        assert apply_depth_rule(exists, (False, True, True, True)) == tuple(exists)
    one = space.validate(dict(space.largest) | {"stage1.block2.present": False})
    assert "stage1.block3.present" not in one, "what the rule decides is no decision"
