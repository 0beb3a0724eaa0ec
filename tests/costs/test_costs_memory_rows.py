"""Memory followed row by row is memory compiled for all architectures."""

from __future__ import annotations

import numpy as np
import pytest

from nas.costs import MEMORY_MODELS, CompiledCost, MemoryOfRows, memory_terms
from nas.supernet import Task, open_space


@pytest.mark.parametrize("metric", ["memory", "mcu-memory"])
@pytest.mark.parametrize("name", ["mbconv:single-path", "mbconv:attentive", "cells:nats-size", "vit:resnas-tiny"])
def test_both_ways_agree(name: str, metric: str) -> None:
    space, model = open_space(name), MEMORY_MODELS[metric]
    walk = space.walk(Task(3, 32, 10))
    rows = space.decisions.sample(np.random.default_rng(0), 40)
    together = CompiledCost(space.decisions, memory_terms(walk, model), reduction="max")(rows)
    np.testing.assert_array_equal(MemoryOfRows(space.decisions, walk, model)(rows), together)
    assert len(set(together)) > 1


def test_a_slice_that_waits_holds_what_it_is_a_slice_of() -> None:
    space = open_space("mbconv:spos")
    walk = space.walk(Task(3, 32, 10))
    rows = space.decisions.sample(np.random.default_rng(0), 40)
    together = CompiledCost(space.decisions, memory_terms(walk), reduction="max")(rows)
    np.testing.assert_array_equal(MemoryOfRows(space.decisions, walk)(rows), together)
