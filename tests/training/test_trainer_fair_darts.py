"""FairDARTS: sigmoids, the zero-one loss, and what is derived."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_trainer_darts import context_of
from tiny_relaxation import relaxable_space, searching

from nas.base.progress import Silent
from nas.training import train
from nas.training.trainers.fair_darts import FairDarts, zero_one_loss
from search_spaces.cells import darts_space


def test_the_zero_one_loss_is_least_where_weights_are_decided() -> None:
    weights = torch.tensor([0.0, 0.5, 0.9])
    assert float(zero_one_loss(weights)) == pytest.approx(-(0.25 + 0.0 + 0.16) / 3)
    assert float(zero_one_loss(weights, "absolute")) == pytest.approx(-(0.5 + 0.0 + 0.4) / 3)
    assert float(zero_one_loss(torch.tensor([0.0, 1.0]))) == pytest.approx(-0.25)


def test_operators_have_sigmoids_of_their_own_and_none_has_no_weight() -> None:
    trainer = FairDarts()
    searching(trainer)
    assert all(not alpha.any() for alpha in trainer.state.parameters())
    for weight in trainer.weights():
        assert weight.tolist() == [0.0, 0.5, 0.5, 0.5, 0.5]


def test_the_architecture_loss_adds_the_zero_one_loss_of_all_operators_but_none() -> None:
    trainer = FairDarts()
    stepper = searching(trainer, alpha_std=1.0)
    with stepper:
        context = context_of(stepper)
        held = stepper.held_batch()
        sigmoids = torch.cat([alpha.detach().sigmoid()[1:] for alpha in trainer.state.parameters()])
        with torch.no_grad(), trainer.mixed(trainer.weights()):
            plain = F.cross_entropy(stepper.supernet(held.images), held.targets)
        expected = float(plain) - 10.0 * float((sigmoids - 0.5).square().mean())
        assert float(trainer.held_loss(context, stepper).detach()) == pytest.approx(expected, rel=1e-5)
        gradients = trainer.architecture_gradients(context, stepper)
        assert all(gradient[0] == 0 and gradient[1:].abs().min() > 0 for gradient in gradients)


def test_operators_are_kept_above_the_threshold_and_none_takes_the_place_of_the_others() -> None:
    trainer = FairDarts()
    stepper = searching(trainer)
    high, low = 3.0, 1.5  # sigmoids of 0.95 and 0.82, around 0.85
    rows = ([0, 0, high, high + 1, 0], [0, low, 0, 0, 0], [9.0, high, low, 0, 0])
    with torch.no_grad():
        for alpha, values in zip(trainer.state.parameters(), rows, strict=True):
            alpha.copy_(torch.tensor(values))
    decisions = relaxable_space().decisions
    np.testing.assert_array_equal(trainer.derive(decisions), [3, 0, 1])
    assert stepper.recipe.threshold == 0.85  # type: ignore[attr-defined]


def test_the_user_is_told_of_operators_that_stay_below_the_threshold() -> None:
    class Listening(Silent):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def say(self, text: str) -> None:
            self.lines.append(text)

    listening = Listening()
    trainer = FairDarts()
    stepper = searching(trainer, darts_space(2, 1).supernet(1, 8, 4), steps=1)
    train(stepper, reporter=listening)
    assert any("16 of the 16 derived operators" in line for line in listening.lines)
    trainer = FairDarts()
    train(searching(trainer, steps=1), reporter=listening)
    assert any("on 3 of 3 edges no operator weighs more" in line and "threshold" in line for line in listening.lines)
