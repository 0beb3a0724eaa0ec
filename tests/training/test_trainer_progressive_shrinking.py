"""Progressive shrinking: the schedule, what each phase draws, what it learns from, and that it resumes across phases."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from shrinking import DEPTHS, EXPANSIONS, KERNELS, RESOLUTIONS, Interrupting, Watched, options, shrinking_space, shrunk
from tiny_training import RandomBatches, same, weights

import nas.training.loop
from nas.elastic import DirectGradients
from nas.supernet import Space, open_space
from nas.training import Recipe, Stepper, train
from nas.training.nested.teacher import Teacher
from nas.training.trainers.progressive_shrinking import ProgressiveShrinking

PAPER = ProgressiveShrinking.defaults
STEPS = 605 * 2
"""Two steps an epoch."""

STARTS = {"full": 0, "kernel": 180, "depth 1": 305, "depth 2": 330, "expand 1": 455, "expand 2": 480}
"""Epochs before each phase: 180, 5 + 120, 25, 5 + 120, 25, 5 + 120."""


def figures(**changes: Any) -> Recipe:
    """Plain gradient descent at a rate of about one, so that a step shows its gradient."""
    plain = {
        "batch_size": 8,
        "reference_batch": 8,
        "momentum": 0.0,
        "nesterov": False,
        "weight_decay": 0.0,
        "learning_rate": 0.1,
    }
    rates = {f"{phase}_rate": 0.1 for phase in ("kernel", "depth1", "depth2", "expand1", "expand2")}
    return PAPER.changed({**plain, **rates, **changes})


@pytest.fixture(scope="module")
def space() -> Space:
    return shrinking_space()


def started(space: Space, phase: str, steps: int = STEPS, seed: int = 3, **changes: Any) -> tuple[Watched, int]:
    """A training, and the first step of one of its phases."""
    made = shrunk(space, ProgressiveShrinking(), figures(**changes), steps, seed)
    starts = {found.name: found.start for found in made.trainer.phases(steps, made.recipe)}
    return Watched(made), starts[phase]


def test_phases_have_the_paper_s_lengths(space: Space) -> None:
    trainer = ProgressiveShrinking()
    assert {phase.name: phase.start for phase in trainer.phases(605, PAPER)} == STARTS
    assert {phase.name: phase.start for phase in trainer.phases(6050, PAPER)} == {n: 10 * s for n, s in STARTS.items()}
    trainer.prepare(shrunk(space, trainer, PAPER, 10))
    assert {phase.name: phase.start for phase in trainer.phases(605, PAPER)} == STARTS


def test_a_space_without_a_dimension_has_no_phase_for_it() -> None:
    def names(space: Space) -> list[str]:
        trainer = shrunk(space, ProgressiveShrinking(), PAPER, 10).trainer
        return [phase.name for phase in trainer.phases(605, PAPER)]

    assert names(shrinking_space(kernels=(3,))) == ["full", "depth 1", "depth 2", "expand 1", "expand 2"]
    assert names(shrinking_space(depths=(3,), expansions=(2, 3))) == ["full", "kernel", "expand 2"]
    assert names(shrinking_space(expansions=(3,), resolutions=(16,))) == ["full", "kernel", "depth 1", "depth 2"]


def test_lengths_without_a_phase_keep_their_proportion() -> None:
    made = shrunk(shrinking_space(kernels=(3,)), ProgressiveShrinking(), PAPER, 480)
    starts = [phase.start for phase in made.trainer.phases(480, PAPER)]
    assert starts == [0, 180, 205, 330, 355]


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8])
def test_a_few_steps_begin_with_the_full_network_and_end_with_everything_open(space: Space, steps: int) -> None:
    phases = shrunk(space, ProgressiveShrinking(), PAPER, steps).trainer.phases(steps, PAPER)
    starts = [phase.start for phase in phases]
    assert starts == sorted(set(starts))
    assert (starts[0], phases[0].name) == (0, "full")
    assert starts[-1] < steps
    assert steps == 1 or phases[-1].name == "expand 2"


def test_rates_are_the_paper_s_for_32_processes_of_64_images() -> None:
    """.96, .08, .24 at batch 2048; warm-up from the rate of a single process; each phase a cosine to 0."""
    trainer, recipe, steps = ProgressiveShrinking(), PAPER.changed({"batch_size": 2048}), 605 * 10

    def rate(epoch: float) -> float:
        return trainer.rate(round(epoch * 10), steps, recipe)

    assert rate(0) == pytest.approx(2.6)
    assert rate(90) == pytest.approx(1.3)
    for start, base, peak in ((180, 3e-2, 0.96), (330, 7.5e-3, 0.24), (480, 7.5e-3, 0.24)):
        assert rate(start) == pytest.approx(base + (peak - base) / 50)
        assert rate(start + 2.4) == pytest.approx(base + (peak - base) * 25 / 50)
        assert rate(start + 5) == pytest.approx(peak)
        assert rate(start + 35) == pytest.approx(peak * 0.5 * (1 + math.cos(math.pi * 30 / 120)))
        assert 0 < rate(start + 124.9) < peak / 1000
    for start in (305, 455):
        assert rate(start) == pytest.approx(0.08)
        assert rate(start + 12.5) == pytest.approx(0.04)


def test_one_process_of_64_images_has_no_slope_in_its_warm_up() -> None:
    trainer, steps = ProgressiveShrinking(), 605 * 10
    assert {trainer.rate(step, steps, PAPER) for step in range(1800, 1850)} == {3e-2}


OPEN = {
    "full": ({7}, {3}, {5}),
    "kernel": ({3, 5, 7}, {3}, {5}),
    "depth 1": ({3, 5, 7}, {2, 3}, {5}),
    "depth 2": ({3, 5, 7}, {1, 2, 3}, {5}),
    "expand 1": ({3, 5, 7}, {1, 2, 3}, {3, 5}),
    "expand 2": ({3, 5, 7}, {1, 2, 3}, {2, 3, 5}),
}
NETWORKS = {"full": 1, "kernel": 1, "depth 1": 2, "depth 2": 2, "expand 1": 4, "expand 2": 4}


@pytest.mark.parametrize("phase", OPEN)
def test_a_phase_draws_all_that_is_open_and_nothing_else(space: Space, phase: str) -> None:
    watched, start = started(space, phase)
    watched.run(*range(start, start + 24))
    assert {len(passes) for passes in watched.passes} == {NETWORKS[phase]}
    assert all(asked.regularised and asked.weight == 1 for passes in watched.passes for asked in passes)
    seen: dict[str, set[object]] = {"kernel": set(), "depth": set(), "expand": set(), "resolution": set()}
    for passes in watched.passes:
        found = [options(space, asked.row) for asked in passes]
        assert len({each["resolution"] for each in found}) == 1, "one for all sub-networks of a step"
        for each in found:
            for name, option in each.items():
                seen[name.rpartition(".")[2]].add(option)
    assert (seen["kernel"], seen["depth"], seen["expand"]) == OPEN[phase]
    assert seen["resolution"] == set(RESOLUTIONS)
    assert (KERNELS, DEPTHS, EXPANSIONS) == ((3, 5, 7), (1, 2, 3), (2, 3, 5))


def plain_loss(student: torch.Tensor, taught: torch.Tensor, targets: torch.Tensor, ratio: float, kind: str) -> torch.Tensor:
    """Written out example by example."""
    total = torch.zeros(())
    classes = student.shape[1]
    for q, p, label in zip(student.log_softmax(1), taught.softmax(1), targets.tolist(), strict=True):
        smooth = torch.full((classes,), 0.1 / classes)
        smooth[label] += 0.9
        total = total - (smooth * q).sum() - (ratio * (p * q).sum() if kind == "soft" else 0.0)
    total = total / len(student)
    return total if kind == "soft" else total + ratio * ((student - taught) ** 2).mean()


@pytest.mark.parametrize(("kind", "ratio"), [("soft", 1.0), ("soft", 0.5), ("mse", 2.0)])
def test_a_step_sums_the_gradients_of_distillation_and_labels(kind: str, ratio: float) -> None:
    """The first step after the full network: its weights are the teacher's too, with batch statistics and no dropout."""
    space = shrinking_space(kernels=(3,), resolutions=(16,), dropout=0.0)
    watched, start = started(space, "depth 1", kd_type=kind, kd_ratio=ratio, dropout=0)
    supernet, reference = watched.made.supernet, space.supernet(1, 16, 4).train()
    before: dict[str, torch.Tensor] = {}
    full: list[torch.nn.Module] = []

    def look() -> None:
        before.update(weights(supernet))
        full.append(supernet.extract(space.decisions.largest()[0]))
        reference.load_state_dict(supernet.state_dict())

    loss = watched.run(start - 2, start - 1, start, before_last=look)[-1]
    batch, expected = RandomBatches().batch(start), torch.zeros(())
    (teacher,) = full
    taught = teacher(batch.images).detach()
    for asked in watched.passes[-1]:
        reference.activate(asked.row)
        expected = expected + plain_loss(reference(batch.images), taught, batch.targets, ratio, kind)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    rate = watched.made.trainer.rate(start, STEPS, watched.made.recipe)
    moved = weights(supernet)
    assert any(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in reference.parameters())
    for name, parameter in reference.network.named_parameters():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(moved[name], before[name] - rate * gradient, rtol=1e-4, atol=1e-6)


def test_the_teacher_sees_the_images_at_the_resolution_of_the_step(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[np.ndarray] = []
    scores = Teacher.scores
    monkeypatch.setattr(Teacher, "scores", lambda self, row, images: (rows.append(row), scores(self, row, images))[1])
    watched, start = started(space, "kernel")
    watched.run(*range(start, start + 8))
    assert len(rows) == 8
    for row, passes in zip(rows, watched.passes, strict=True):
        found = options(space, row)
        assert found.pop("resolution") == options(space, passes[0].row)["resolution"]
        assert set(found.values()) == {7, 3, 5}, "the largest in everything else"


def test_the_teacher_is_the_full_network_after_the_first_phase_and_stays_it(space: Space) -> None:
    made = shrunk(space, trainer := ProgressiveShrinking(), figures(), LENGTH)
    second = trainer.phases(LENGTH, made.recipe)[1].start
    with made:
        for step in range(second):
            made.run(step)
            assert trainer.state is None
        taught = weights(made.supernet)
        for step in range(second, LENGTH):
            made.run(step)
        assert isinstance(trainer.state, Teacher)
        assert same(weights(trainer.state.supernet), taught)
        assert not same(weights(made.supernet), taught)


def test_the_teacher_has_no_dropout() -> None:
    space = shrinking_space(dropout=0.5)
    teacher = Teacher(space.supernet(1, 16, 4), figures(dropout=0.5))
    row, images = space.decisions.largest()[0], RandomBatches().batch(0).images
    assert torch.equal(teacher.scores(row, images), teacher.scores(row, images))
    once, thrice = (teacher.scores(row, images * factor) for factor in (100, 300))
    torch.testing.assert_close(once, thrice, rtol=1e-3, atol=1e-3, msg="batch norm takes the batch's own statistics")


def test_no_teacher_where_nothing_is_learned_from_it(space: Space) -> None:
    watched, start = started(space, "kernel", kd_ratio=0)
    watched.run(start)
    assert watched.made.trainer.state is None


def test_every_phase_begins_with_a_fresh_optimiser(space: Space) -> None:
    made = shrunk(space, ProgressiveShrinking(), figures(momentum=0.9), LENGTH)
    starts = [phase.start for phase in made.trainer.phases(LENGTH, made.recipe)]
    learn, speeds = made.learn, []

    def noting(asked: Any) -> Any:
        state = made.optimiser.state.values()
        speeds[-1].append(max(float(each["momentum_buffer"].abs().max()) for each in state))
        return learn(asked)

    made.learn = noting  # type: ignore[method-assign]
    with made:
        for step in range(LENGTH):
            speeds.append([])
            made.run(step)
    assert [step for step, found in enumerate(speeds) if max(found) == 0] == starts


def test_channels_are_sorted_before_widths_shrink_and_kept_groups_stay(space: Space) -> None:
    made = shrunk(space, ProgressiveShrinking(), figures(average=0.5), 28)
    starts = {phase.name: phase.start for phase in made.trainer.phases(28, made.recipe)}
    block = made.supernet.network.stages[0].blocks[1]

    def columns() -> list[float]:
        return block.project.conv.weight.detach().abs().sum((0, 2, 3)).tolist()  # type: ignore[no-any-return]

    def first_seen(step: int) -> tuple[list[float], list[float]]:
        """Importance before the step, and when its first pass begins."""
        found: list[list[float]] = []
        learn = made.learn

        def noting(asked: Any) -> Any:
            found.append(columns())
            return learn(asked)

        before = columns()
        made.learn = noting  # type: ignore[method-assign]
        made.run(step)
        made.learn = learn  # type: ignore[method-assign]
        return before, found[0]

    with made:
        for step in range(28):
            if step == starts["expand 2"]:  # where sorting anew would show
                with torch.no_grad():
                    block.project.conv.weight[:, [5, 30]] *= 100
            before, after = first_seen(step)
            if step == starts["expand 1"]:
                assert after == pytest.approx(sorted(before, reverse=True))
                assert after != before
            elif step == starts["expand 2"]:
                assert after == pytest.approx(sorted(before[:24], reverse=True) + sorted(before[24:], reverse=True))
                assert after != before
            else:
                assert after == before


def test_sorting_can_be_left_out(space: Space) -> None:
    ends = []
    for sort in (True, False):
        made = shrunk(space, ProgressiveShrinking(), figures(sort_channels=sort), LENGTH)
        train(made)
        ends.append(weights(made.supernet))
    assert not same(*ends)


RESUMED = figures(momentum=0.9, weight_decay=0.01, average=0.9, clip_norm=5.0)
LENGTH = 14
"""Steps in which every phase has some: they start at 4, 7, 8, 11 and 12."""


@pytest.fixture(scope="module")
def uninterrupted(space: Space) -> tuple[Stepper, list[float]]:
    made = shrunk(space, ProgressiveShrinking(), RESUMED, LENGTH)
    return made, train(made).losses


@pytest.mark.parametrize("done", [3, 4, 5, 8, 11, 12, 13])
def test_a_training_interrupted_around_the_start_of_a_phase_ends_to_the_bit_like_an_uninterrupted_one(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: tuple[Stepper, list[float]], done: int
) -> None:
    monkeypatch.setattr(nas.training.loop, "CHECKPOINT_SECONDS", -1.0)
    whole, losses = uninterrupted
    assert [phase.start for phase in whole.trainer.phases(LENGTH, RESUMED)] == [0, 4, 7, 8, 11]
    path = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        train(shrunk(space, ProgressiveShrinking(), RESUMED, LENGTH), path, Interrupting(done + 1))
    resumed = shrunk(space, ProgressiveShrinking(), RESUMED, LENGTH)
    assert train(resumed, path).losses == losses
    assert same(weights(whole.supernet), weights(resumed.supernet))


def test_checkpoints_hold_the_teacher_only_once_there_is_one(space: Space, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(nas.training.loop, "CHECKPOINT_SECONDS", -1.0)
    sizes = []
    made = shrunk(space, ProgressiveShrinking(), figures(), LENGTH)
    second = made.trainer.phases(LENGTH, made.recipe)[1].start
    for at in (second, second + 1, second + 2):
        with pytest.raises(KeyboardInterrupt):
            path = tmp_path / f"checkpoint{at}"
            train(shrunk(space, ProgressiveShrinking(), figures(), LENGTH), path, Interrupting(at))
        sizes.append(path.stat().st_size)
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)
    assert sizes[2] > 1.7 * sizes[1]


def test_the_ordinary_path_teaches_the_same(space: Space) -> None:
    """Direct gradients through sorting and several sub-networks, against plain autograd."""
    ends = []
    for direct in (True, False):
        made = shrunk(space, ProgressiveShrinking(), figures(), LENGTH)
        assert isinstance(made._gradients, DirectGradients)
        if not direct:
            made._gradients = None
        train(made)
        ends.append(weights(made.supernet))
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, rtol=1e-3, atol=1e-4)


def test_a_space_of_operators_alone_is_refused() -> None:
    why = ProgressiveShrinking.misfit(open_space("cells:nas-bench-201"), PAPER)
    assert why is not None
    assert "none of its decisions is a kernel, a depth or a width" in why
    assert ProgressiveShrinking.misfit(shrinking_space(kernels=(3,), depths=(2,)), PAPER) is None
