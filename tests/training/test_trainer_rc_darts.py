"""RC-DARTS: the resource of a mixture, and projections into its bounds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from tiny_relaxation import relaxable_space, searching
from toy_device import install_toy_device

from nas.base.errors import NasError
from nas.supernet import Task
from nas.training.differentiable.projection import project
from nas.training.differentiable.resource_loss import summed_cost
from nas.training.differentiable.soft_cost import SoftCost, operator_costs
from nas.training.trainers.rc_darts import RcDarts
from search_spaces.cells import darts_space

BOUNDS = [(0.0, 20.0), (30.0, 40.0), (25.0, 25.5), (45.0, float("inf"))]


def resource(alphas: list[torch.Tensor]) -> torch.Tensor:
    """From 0 to 60; 30 where all alphas are equal."""
    costs = torch.tensor([0.0, 5.0, 10.0, 30.0, 5.0], dtype=torch.float64)
    return sum(alpha.double().softmax(0) @ costs for alpha in alphas) * 1.5 - 0.0  # type: ignore[return-value]


@pytest.mark.parametrize(("lower", "upper"), BOUNDS)
def test_a_projection_ends_within_the_bounds_near_where_it_began(lower: float, upper: float) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        alphas = [torch.randn(5, generator=generator) for _ in range(2)]
        value = float(resource(alphas))
        found = project(alphas, resource, lower, upper)
        reached = float(resource(found))
        assert lower <= reached <= upper
        if lower <= value <= upper:
            assert all(torch.equal(a, b) for a, b in zip(found, alphas, strict=True))
            continue
        bound = upper if value > upper else lower
        assert reached == pytest.approx(bound, abs=1e-3)  # no further than needed
        again = project(found, resource, lower, upper)
        assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))


def test_a_projection_is_about_the_nearest_point() -> None:
    """On a plane the nearest point of a half space is known."""

    def linear(alphas: list[torch.Tensor]) -> torch.Tensor:
        return 3.0 * alphas[0][0] + 4.0 * alphas[0][1]

    found = project([torch.tensor([3.0, 4.0])], linear, -100.0, 5.0)
    torch.testing.assert_close(found[0], torch.tensor([0.6, 0.8]), atol=1e-3, rtol=0)


def test_bounds_that_cannot_be_met_are_told() -> None:
    with pytest.raises(NasError, match="choose bounds"):
        project([torch.zeros(5)], resource, 100.0, 200.0, limit=200)


def test_where_edges_are_decisions_the_resource_is_the_exact_expectation() -> None:
    space = relaxable_space()
    cost = SoftCost(space, "macs", space.task)
    probabilities = [torch.randn(5, dtype=torch.float64).softmax(0) for _ in range(3)]
    total = 0.0
    for codes in itertools.product(range(5), repeat=3):
        weight = float(torch.stack([p[code] for p, code in zip(probabilities, codes, strict=True)]).prod())
        total += weight * float(space.compiled("macs")(np.array([codes], dtype=np.uint8))[0])
    assert float(cost(probabilities)) == pytest.approx(total, rel=1e-9)
    rows = np.array(list(itertools.product(range(5), repeat=3)), dtype=np.uint8)
    every = space.compiled("macs")(rows)
    assert cost.range() == (every.min(), pytest.approx(every.max()))


def test_table_latency_is_expected_over_all_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    space = relaxable_space()
    install_toy_device(monkeypatch, space)
    alphas = [torch.randn(5, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    total = torch.zeros((), dtype=torch.float64)
    for codes in itertools.product(range(5), repeat=3):
        p = torch.stack([alpha.softmax(0)[code] for alpha, code in zip(alphas, codes, strict=True)]).prod()
        total = total + p * float(space.cost("toy-latency", np.array([codes], dtype=np.uint8))[0])
    cost = SoftCost(space, "toy-latency", space.task)
    soft = cost([alpha.softmax(0) for alpha in alphas])
    assert soft.item() == pytest.approx(total.item(), rel=1e-6)
    for mine, other in zip(torch.autograd.grad(soft, alphas), torch.autograd.grad(total, alphas), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-7)
    low, high = cost.range()
    assert low < total.item() < high


def test_operators_walked_alone_cost_what_they_cost_in_the_network() -> None:
    """Every derived architecture of DARTS costs its operators and what all have."""
    space = darts_space(4, 3, task=Task(3, 9, 5))
    relaxation = space.relax(space.supernet(3, 9, 5).network)
    rng = np.random.default_rng(0)
    for metric in ("macs", "params"):
        compiled = summed_cost(space, metric, space.task)
        costs = operator_costs(space, metric, space.task, compiled)
        assert costs is not None
        for _ in range(10):
            scores = [rng.random(8) for _ in relaxation.edges]
            kept = sum(costs.operators[edge][operator] for edge, operator in relaxation.kept(scores))
            assert costs.fixed + kept == pytest.approx(float(compiled(relaxation.derive(scores)[None])[0]), rel=1e-12)
    assert costs.shares[:5] == [1.0, 1.0, 2 / 3, 2 / 3, 2 / 3]
    assert all(not legal[0] and legal[1:].all() for legal in costs.derivable)  # `none` is never derived


def test_the_resource_of_a_darts_mixture_leaves_none_out_and_draws_edges_evenly() -> None:
    space = darts_space(4, 2, task=Task(3, 8, 5))
    cost = SoftCost(space, "params", space.task)
    parts = operator_costs(space, "params", space.task, summed_cost(space, "params", space.task))
    assert parts is not None
    probabilities = [torch.randn(8, dtype=torch.float64).softmax(0) for _ in range(28)]
    total = parts.fixed
    for share, costs, given in zip(parts.shares, parts.operators, probabilities, strict=True):
        without_none = given[1:] / given[1:].sum()
        total += share * sum(float(p) * c for p, c in zip(without_none, costs[1:], strict=True))
    assert float(cost(probabilities)) == pytest.approx(total, rel=1e-12)
    low, high = cost.range()
    assert low < total < high


def test_a_search_ends_within_its_bounds() -> None:
    free = RcDarts()
    stepper = searching(free, steps=5, order="first", resource="macs", lower=0.0, upper=1e12)
    with stepper:
        for step in range(5):
            stepper.run(step)
    unbounded = float(free.resource(list(free.state.parameters())).detach())
    upper = 0.7 * unbounded
    bound = RcDarts()
    stepper = searching(bound, steps=5, order="first", resource="macs", upper=upper, project_every=3)
    with stepper:
        for step in range(5):
            stepper.run(step)
            value = float(bound.resource(list(bound.state.parameters())).detach())
            assert step < 2 or value <= upper * 1.05
    assert value <= upper * (1 + 1e-6)


def test_resources_and_bounds_that_make_no_sense_are_refused() -> None:
    space = relaxable_space()

    def why(**changes: object) -> str:
        found = RcDarts.misfit(space, RcDarts.defaults.changed(changes))
        assert found is not None
        return found

    assert "no bound is given" in why() and "goes from" in why()
    assert "not below" in why(lower=5.0, upper=4.0)
    assert "memory" in why(resource="memory", upper=1.0)
    assert "unknown metric" in why(resource="speed", upper=1.0)
    assert RcDarts.misfit(space, RcDarts.defaults.changed({"upper": 300.0})) is None
    with pytest.raises(NasError, match="leave nothing"):
        searching(RcDarts(), resource="params", upper=1.0)
