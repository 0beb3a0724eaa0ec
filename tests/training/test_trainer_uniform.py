"""Uniform sampling leaves alone what it does not train."""

from __future__ import annotations

import torch
from tiny_training import recipe, stepper, tiny_space, weights

from nas.base.seeds import generator
from nas.training.trainers.uniform import Uniform


def test_parameters_that_a_step_does_not_use_are_untouched() -> None:
    """Whatever momentum and weight decay would do to them: the rule of the authors' code."""
    space = tiny_space()
    supernet, reference = space.supernet(1, 16, 4), space.supernet(1, 16, 4).train()
    spared = 0
    with stepper(supernet, Uniform(), recipe(weight_decay=0.5)) as steps:
        for step in range(6):
            before = weights(supernet)
            steps.run(step)
            row = space.decisions.sample(generator(3, "architectures", step), 1)[0]
            reference.zero_grad(set_to_none=True)
            reference.activate(row)
            reference(steps.batch().images).sum().backward()
            used = {name for name, weight in reference.network.named_parameters() if weight.grad is not None}
            moved = {name for name, value in weights(supernet).items() if not torch.equal(value, before[name])}
            assert moved <= used
            assert len(moved) >= len(used) - 2, "an update of a norm may be too small to see"
            spared += len(before) - len(used)
    assert spared > 6
