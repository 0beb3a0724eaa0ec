"""Relaxed cells: the fast mixture against the plain one, kernels against torch's own, and what is derived."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nas.elastic import ElasticBatchNorm2d, RelaxedNorm
from nas.supernet import Relaxation, Space
from nas.supernet.mixture import WeightedSum
from search_spaces.cells import darts_space, nas_bench_201_space
from search_spaces.cells.darts import from_genotype
from search_spaces.cells.darts_relaxation import OPERATORS, SLOTS
from search_spaces.cells.genotype import Genotype
from search_spaces.cells.kernels import depthwise, depthwise_gradient, joined, mixed

SPACES: dict[str, Callable[[], Space]] = {
    "darts": lambda: darts_space(2, 3),
    "darts without scales": lambda: darts_space(2, 3, affine=False),
    "nas-bench-201": lambda: nas_bench_201_space(4, 1),
}


def gradients(
    space: Space, side: int, context: Callable[[Relaxation], Callable[..., AbstractContextManager[None]]]
) -> torch.Tensor:
    """Loss, architecture gradients and weight gradients, one after the other, of one batch in double precision."""
    supernet = space.supernet(3, side, 5, seed=1).double().to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    relaxation = space.relax(supernet.network)
    generator = torch.Generator().manual_seed(2)
    alphas = [torch.randn(len(edge.operators), generator=generator).double().requires_grad_() for edge in relaxation.edges]
    images = torch.randn((2, 3, side, side), generator=generator, dtype=torch.float64)
    for parameter in supernet.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator).double()
    with context(relaxation)([alpha.softmax(0) for alpha in alphas]):
        loss = F.cross_entropy(supernet(images), torch.tensor([1, 4]))
    found = torch.autograd.grad(loss, [*alphas, *supernet.parameters()], allow_unused=True)
    assert [relaxation.edges[0].places[0].policy, *(norm.relaxed for norm in relaxation.norms)].count(True) == 0
    return torch.cat([loss.detach()[None], *(part.flatten() for part in found if part is not None)])


@pytest.mark.parametrize(("name", "side"), [*((name, 8) for name in SPACES), ("darts", 7)])
def test_the_fast_mixture_equals_the_weighted_sum_of_all_operators(name: str, side: int) -> None:
    space = SPACES[name]()
    fast = gradients(space, side, lambda relaxation: relaxation.weighed)
    plain = gradients(space, side, lambda relaxation: lambda weights: WeightedSum(relaxation, weights))
    assert float((fast - plain).norm() / plain.norm()) < 1e-12


def test_norms_of_several_processes_are_asked_for_joint_statistics() -> None:
    """With each process's own statistics as the joint ones the mixture is what it was."""
    space, asked = darts_space(2, 1), []

    def joint(mean: torch.Tensor, variance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(mean)
        return mean, variance

    supernet = space.supernet(3, 8, 5).double().train()
    relaxation = space.relax(supernet.network)
    weights = [torch.full((8,), 0.125, dtype=torch.float64) for _ in relaxation.edges]
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    norms = [module for module in supernet.modules() if isinstance(module, ElasticBatchNorm2d | RelaxedNorm)]
    with relaxation.weighed(weights):
        own = supernet(images)
        for norm in norms:
            norm.joint = joint
        torch.testing.assert_close(supernet(images), own)
    pools = 2 * sum(4 - max(0, source - 1) - 1 for source in range(5))  # those of an edge that shares another's pool
    assert len(asked) == len(norms) - pools


def test_a_cell_with_drop_path_is_mixed_plainly() -> None:
    space = darts_space(4, 2, drop_path=0.2)
    assert space.relax(space.supernet(3, 8, 5).network).mixture is None


def test_networks_without_relaxation_do_not_notice_the_norms_behind_pools() -> None:
    space = darts_space(4, 2)
    supernet = space.supernet(3, 8, 5)
    assert not any("relaxed" in name.lower() for name in str(supernet.extract(space.largest)).split())
    assert space.cost("params", space.smallest) == sum(
        p.numel() for p in space.supernet(3, 32, 10).extract(space.smallest).parameters()
    )


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("width", [6, 20])
def test_depthwise_convolutions_have_the_gradients_of_torchs_own(dilation: int, side: int, width: int) -> None:
    x = torch.randn(2, 3, 5, width, dtype=torch.float64).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(3, 1, side, side, dtype=torch.float64, requires_grad=True)
    arriving = torch.randn(2, 3, 5, width, dtype=torch.float64)
    outputs = (depthwise(x, weight, dilation), F.conv2d(x, weight, None, 1, dilation * (side // 2), dilation, 3))
    sides = [[output, *torch.autograd.grad(output, [x, weight], arriving)] for output in outputs]
    for ours, own in zip(*sides, strict=True):
        torch.testing.assert_close(ours, own, rtol=1e-12, atol=1e-12)
    by_products = depthwise_gradient(x.detach(), arriving, side, dilation)
    torch.testing.assert_close(by_products, sides[1][2], rtol=1e-12, atol=1e-12)


def test_reduced_precision_takes_torchs_own_operators() -> None:
    for space in (darts_space(4, 1), nas_bench_201_space(4, 1)):
        supernet = space.supernet(3, 8, 5).train()
        relaxation = space.relax(supernet.network)
        alphas = [torch.zeros(len(edge.operators), requires_grad=True) for edge in relaxation.edges]
        images = torch.randn(4, 3, 8, 8)
        scores = []
        for reduced in (True, False):
            with torch.autocast("cpu", torch.bfloat16, enabled=reduced), relaxation.weighed([a.softmax(0) for a in alphas]):
                scores.append(supernet(images))
        torch.testing.assert_close(scores[0].float(), scores[1], rtol=0.2, atol=0.2)
        found = torch.autograd.grad(scores[0].float().square().sum(), alphas, allow_unused=True)
        assert all(part is None or part.isfinite().all() for part in found)


def test_sums_and_joins_have_the_gradients_of_torchs_own() -> None:
    terms = [torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    weights = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    plain = [sum(w * term for w, term in zip(row, terms, strict=True)) for row in weights]
    sides = [joined(mixed(terms, weights)), torch.cat(plain, 1)]  # type: ignore[arg-type]
    arriving = torch.randn_like(sides[0])
    torch.testing.assert_close(sides[0], sides[1], rtol=1e-12, atol=1e-12)
    for ours, own in zip(*(torch.autograd.grad(side, [weights, *terms], arriving) for side in sides), strict=True):
        torch.testing.assert_close(ours, own, rtol=1e-12, atol=1e-12)


def scores(*strong: tuple[str, int, str, float]) -> list[np.ndarray]:
    """Equal scores of 0.1, but for (type, edge of that type, operator, score)."""
    found = [np.full(len(OPERATORS), 0.1) for _ in range(28)]
    for kind, edge, operator, score in strong:
        found[edge + 14 * (kind == "reduce")][OPERATORS.index(operator)] = score
    return found


def test_the_two_edges_with_the_best_operator_besides_none_are_kept() -> None:
    space = darts_space(4, 2)
    relaxation = space.relax(space.supernet(3, 8, 5).network)
    given = scores(
        ("normal", SLOTS.index((2, 0)), "none", 0.9),  # `none` decides nothing, however strong
        ("normal", SLOTS.index((2, 1)), "skip_connect", 0.3),
        ("normal", SLOTS.index((2, 3)), "sep_conv_5x5", 0.2),
        ("normal", SLOTS.index((3, 4)), "dil_conv_3x3", 0.5),
        ("reduce", SLOTS.index((0, 1)), "max_pool_3x3", 0.05),  # less than the others: the first of equals is taken
        ("reduce", SLOTS.index((1, 2)), "avg_pool_3x3", 0.4),
    )
    first = "max_pool_3x3"  # the first operator after `none`, the best of equals
    expected = Genotype(
        (
            *((first, 0), (first, 1)),
            *((first, 0), (first, 1)),
            *(("skip_connect", 1), ("sep_conv_5x5", 3)),
            *((first, 0), ("dil_conv_3x3", 4)),
        ),
        (2, 3, 4, 5),
        (
            *((first, 0), ("avg_pool_3x3", 1)),
            *((first, 0), ("avg_pool_3x3", 2)),
            *((first, 0), (first, 1)),
            *((first, 0), (first, 1)),
        ),
        (2, 3, 4, 5),
    )
    row = relaxation.derive(given)
    assert space.decode(row[None])[0] == space.validate(from_genotype(expected))
    kept = [(edge, OPERATORS[operator]) for edge, operator in relaxation.kept(given)]
    assert (SLOTS.index((2, 3)), "sep_conv_5x5") in kept and len(kept) == 16
    assert [len(node) for node in relaxation.nodes] == [2, 3, 4, 5, 2, 3, 4, 5]


def test_nas_bench_201_derives_the_best_operator_none_included() -> None:
    space = nas_bench_201_space(4, 1)
    relaxation = space.relax(space.supernet(3, 8, 5).network)
    numbers = [4, 0, 3, 2, 1, 4]
    row = relaxation.derive([np.eye(5)[number] for number in numbers])
    np.testing.assert_array_equal(row, space.decisions.canonical(np.array([numbers], dtype=np.uint8))[0])
    assert [edge.operators[n] for edge, n in zip(relaxation.edges, numbers, strict=True)][:2] == ["nor_conv_3x3", "none"]
    assert all(edge.none == 0 and edge.skip == 1 for edge in relaxation.edges)


def test_only_edges_whose_skip_is_the_identity_everywhere_have_one() -> None:
    space = darts_space(4, 3)
    relaxation = space.relax(space.supernet(3, 8, 5).network)
    shrinking = [14 + SLOTS.index((block, source)) for block in range(4) for source in range(2)]
    assert [number for number, edge in enumerate(relaxation.edges) if edge.skip is None] == shrinking
