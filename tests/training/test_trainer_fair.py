"""Strict fairness: how often each option is used."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import cast

import numpy as np
import torch.nn.functional as F
from exact_step import exact_step
from tiny_training import recipe, tiny_space

from nas.architectures import Decisions
from nas.base.seeds import generator
from nas.choices import Choice
from nas.training import Engine, StepContext
from nas.training.trainers.fair import Fair


def decisions(*cardinalities: int) -> Decisions:
    return Decisions([Choice(f"c{index}", tuple(range(count))) for index, count in enumerate(cardinalities)])


def drawn(of: Decisions, steps: range, seed: int = 3) -> list[np.ndarray]:
    """The rows (m, D) of each step, by a trainer of its own for each, as after so many interruptions."""
    found = []
    for step in steps:
        rng, engine = generator(seed, "architectures", step), cast(Engine, SimpleNamespace(seed=seed))
        asked = list(Fair().passes(StepContext(step, steps.stop, of, rng, Fair.defaults, engine)))
        assert all(one.weight == 1.0 and one.regularised for one in asked)
        found.append(np.array([one.row for one in asked]))
    return found


def test_equal_decisions_use_every_option_exactly_once_a_step() -> None:
    for rows in drawn(decisions(4, 4, 4), range(20)):
        assert rows.shape == (4, 3)
        for column in rows.T:
            assert sorted(column.tolist()) == [0, 1, 2, 3]


def test_unequal_decisions_are_as_even_as_can_be_at_every_moment() -> None:
    of = decisions(2, 3, 5, 1)
    counts = [Counter[int]() for _ in of.names]
    for rows in drawn(of, range(31)):
        assert len(rows) == 5
        assert sorted(rows[:, 2].tolist()) == [0, 1, 2, 3, 4]
        for row in rows:
            for column, option in enumerate(row.tolist()):
                counts[column][option] += 1
        for count, options in zip(counts, of.cardinalities, strict=True):
            assert set(count) <= set(range(options))
            assert max(count.values()) - min(count[option] for option in range(options)) <= 1


def test_orders_are_random_and_independent() -> None:
    pairs = Counter(tuple(row.tolist()) for rows in drawn(decisions(3, 3), range(900)) for row in rows)
    assert len(pairs) == 9
    # 2700 rows in 9 cells: 300 each, standard deviation below 17.
    assert max(abs(count - 300) for count in pairs.values()) < 85
    firsts = Counter(int(rows[0, 0]) for rows in drawn(decisions(3), range(900)))
    assert max(abs(count - 300) for count in firsts.values()) < 70


def test_the_seed_decides() -> None:
    first, same, other = (np.concatenate(drawn(decisions(4, 3), range(5), seed)) for seed in (3, 3, 4))
    assert (first == same).all()
    assert (first != other).any()


def test_one_update_takes_the_summed_gradients_of_all_passes() -> None:
    """Against plain autograd in double precision."""
    space = tiny_space()
    done = exact_step(space, Fair(), recipe(label_smoothing=0.1))
    assert len(done.asked) == 2
    for column in np.array([one.row for one in done.asked]).T:
        assert sorted(column.tolist()) == [0, 1]
    for one in done.asked:
        done.reference.activate(one.row)
        F.cross_entropy(done.reference(done.batch.images), done.batch.targets, label_smoothing=0.1).backward()
    done.compare()
