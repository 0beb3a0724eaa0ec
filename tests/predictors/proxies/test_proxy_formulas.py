"""Each proxy against its formula, worked out slowly and otherwise."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from proxy_networks import Attending, Convolutional, Recurrent, batch, made, scored, seeded
from torch import nn
from torch.func import functional_call

from nas.base.errors import NasError
from predictors.proxies.attention import AttentionConfidence, SoftmaxConfidence
from predictors.proxies.counts import L2, Macs, Params
from predictors.proxies.fisher import Fisher
from predictors.proxies.grasp import Grasp
from predictors.proxies.hidden_covariance import HiddenCovariance
from predictors.proxies.jacobian import EpeNas, JacobCov
from predictors.proxies.naswot import Naswot
from predictors.proxies.saliency import GradNorm, Plain, Snip
from predictors.proxies.synflow import Synflow
from predictors.proxies.zen import Zen
from predictors.proxies.zico import ZiCo

LAYERS = ("first", "second", "linear")


def training(network: nn.Module) -> nn.Module:
    """A copy in training mode without drop-out, to work on."""
    copied = copy.deepcopy(network).train()
    copied.drop.eval()  # type: ignore[union-attr, operator]
    return copied


def weight_gradients(network: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    copied = training(network)
    F.cross_entropy(copied(images), targets).backward()
    layers = [copied.get_submodule(name).weight for name in LAYERS]
    return [(w.detach().numpy(), w.grad.numpy()) for w in layers]  # type: ignore[union-attr]


def test_counts() -> None:
    network, (images, targets) = made(Convolutional), batch()
    assert scored(Params(), network, images, targets) == (2 * 4 * 9 + 4) + 8 + (4 // 2 * 6 * 9) + 12 + (18 + 3)
    assert scored(Macs(), network, images, targets) == 25 * 2 * 4 * 9 + 4 * (4 // 2 * 6 * 9) + 18
    norms = sum(math.sqrt(float((network.get_submodule(name).weight.detach() ** 2).sum())) for name in LAYERS)
    assert scored(L2(), network, images, targets) == pytest.approx(norms, rel=1e-5)


def test_multiply_adds_of_recurrent_layers_are_counted() -> None:
    images, targets = batch(4, 2, 4)
    network = made(Recurrent)
    steps, first, second = 4, 4 * 5 * (8 + 5), 4 * 5 * (5 + 5)
    assert scored(Macs(), network, images, targets) == steps * (first + second) + 5 * 3


def test_gradient_norm() -> None:
    network, (images, targets) = made(Convolutional), batch()
    expected = sum(np.sqrt((g**2).sum()) for _, g in weight_gradients(network, images, targets))
    assert scored(GradNorm(), network, images, targets) == pytest.approx(expected, rel=1e-4)


def test_snip_is_the_gradient_of_a_mask() -> None:
    network, (images, targets) = made(Convolutional), batch()
    copied = training(network)
    masks = {f"{name}.weight": torch.ones_like(copied.get_submodule(name).weight).requires_grad_() for name in LAYERS}
    masked = {name: mask * copied.get_parameter(name).detach() for name, mask in masks.items()}
    F.cross_entropy(functional_call(copied, masked, (images,)), targets).backward()
    expected = sum(float(mask.grad.abs().sum()) for mask in masks.values())  # type: ignore[union-attr]
    assert scored(Snip(), network, images, targets) == pytest.approx(expected, rel=1e-4)


def test_plain_is_the_slope_of_the_loss_when_all_weights_grow() -> None:
    network, (images, targets) = made(Convolutional, norm=False).double(), batch()
    images = images.double()

    def loss(factor: float) -> float:
        grown = training(network)
        with torch.no_grad():
            for name in LAYERS:
                grown.get_submodule(name).weight *= factor  # type: ignore[operator]
            return float(F.cross_entropy(grown(images), targets))

    expected = (loss(1 + 1e-5) - loss(1 - 1e-5)) / 2e-5
    assert scored(Plain(), network, images, targets) == pytest.approx(expected, rel=1e-4)


def test_grasp_is_how_the_gradient_changes_along_itself() -> None:
    network, (images, targets) = made(Convolutional).double(), batch()
    images = images.double()
    found = weight_gradients(network, images, targets)

    def along(step: float) -> list[np.ndarray]:
        moved = copy.deepcopy(network)
        with torch.no_grad():
            for name, (_, g) in zip(LAYERS, found, strict=True):
                moved.get_submodule(name).weight += step * torch.from_numpy(g)  # type: ignore[operator]
        return [g for _, g in weight_gradients(moved, images, targets)]

    changes = [(a - b) / 2e-6 for a, b in zip(along(1e-6), along(-1e-6), strict=True)]
    expected = -sum((w * change).sum() for (w, _), change in zip(found, changes, strict=True))
    assert scored(Grasp(), network, images, targets) == pytest.approx(expected, rel=1e-3)


def test_grasp_of_hard_sigmoids_which_torch_derives_only_once() -> None:
    class Composed(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x + 3).clamp(0, 6) / 6

    network, (images, targets) = made(Convolutional), batch()
    scores = []
    for gate in (nn.Hardsigmoid(), Composed()):
        network.act = nn.Sequential(gate, nn.Tanh())
        scores.append(scored(Grasp(), network, images, targets))
    assert scores[0] == pytest.approx(scores[1], rel=1e-4)


def test_fisher_channel_by_channel() -> None:
    network, (images, targets) = made(Convolutional), batch()
    copied = training(network)
    a = copied.first(images).detach().requires_grad_()
    b = copied.second(F.relu(copied.first_norm(a)))
    b.retain_grad()
    c = copied.linear(F.relu(copied.second_norm(b)).mean((2, 3)))
    c.retain_grad()
    F.cross_entropy(c, targets).backward()
    expected = 0.0
    for layer, activation in zip(LAYERS, (a, b, c), strict=True):
        values, slopes = activation.detach().numpy(), activation.grad.numpy()  # type: ignore[union-attr]
        for channel in range(values.shape[1]):
            images_sums = [(values[i, channel] * slopes[i, channel]).sum() for i in range(len(values))]
            weights = copied.get_submodule(layer).weight[channel].numel()  # type: ignore[union-attr, index]
            expected += 0.5 * np.mean(np.square(images_sums)) * weights
    assert scored(Fisher(), network, images, targets) == pytest.approx(expected, rel=1e-4)


def test_synflow_weight_by_weight() -> None:
    network = made(Convolutional)
    positive = training(network).double()
    positive.first_norm = positive.second_norm = nn.Identity()
    with torch.no_grad():
        for parameter in positive.parameters():
            parameter.abs_()
        ones, total = torch.ones(1, 2, 5, 5, dtype=torch.float64), 0.0
        for name in LAYERS:
            values = positive.get_submodule(name).weight.view(-1)  # type: ignore[operator, union-attr]
            for index, value in enumerate(values.tolist()):
                ends = []
                for factor in (1 + 1e-4, 1 - 1e-4):
                    values[index] = value * factor
                    ends.append(float(positive(ones).sum()))
                values[index] = value
                total += (ends[0] - ends[1]) / 2e-4
    assert scored(Synflow(), network, *batch()) == pytest.approx(math.log(total), rel=1e-6)


def test_synflow_of_a_deep_network_does_not_overflow() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        wide = nn.Sequential(nn.Flatten(), nn.Linear(50, 60), *(nn.Linear(60, 60) for _ in range(90)), nn.Linear(60, 3))
    found = scored(Synflow(), wide, *batch())
    assert found > math.log(torch.finfo(torch.float32).max)


class AttentionAlone(nn.Module):
    """Blocks of attention with a residual; `one` goes through torch's function, otherwise through a softmax."""

    def __init__(self, blocks: int, one: bool, mask: bool = False) -> None:
        super().__init__()
        self.one = one
        self.embed, self.head = nn.Linear(2, 8), nn.Linear(8, 3)
        self.blocks = nn.ModuleList(nn.ModuleList(nn.Linear(8, 8) for _ in range(4)) for _ in range(blocks))
        self.positions = nn.Parameter(torch.randn(25, 8))
        self.register_buffer("mask", torch.full((25, 25), -math.inf).triu(1) if mask else torch.zeros(25, 25))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        state = self.embed(images.flatten(2).transpose(1, 2)) + self.positions
        for block in self.blocks:
            query, key, value, project = block
            q, k, v = query(state), key(state), value(state)
            if self.one:
                found = F.scaled_dot_product_attention(q, k, v, attn_mask=self.mask)
            else:
                found = torch.softmax(q @ k.transpose(1, 2) * 8**-0.5 + self.mask, -1) @ v
            state = state + project(found)
        return self.head(state.mean(dim=1))


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("one", [False, True])
def test_synflow_takes_attention_as_given(one: bool, mask: bool) -> None:
    """The flow is that through the values alone: by the chain rule, with the attention of the pass written down first."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = AttentionAlone(1, one, mask)
    positive = copy.deepcopy(network).double()
    with torch.no_grad():
        for parameter in positive.parameters():
            parameter.abs_()
    query, key, value, project = positive.blocks[0]  # type: ignore[misc]
    state = positive.embed(torch.ones(25, 2, dtype=torch.float64)) + positive.positions
    weights = torch.softmax(query(state) @ key(state).T * 8**-0.5 + positive.mask, -1).detach()  # type: ignore[operator]
    total = positive.head((state + project(weights @ value(state))).mean(dim=0)).sum()
    layers = [positive.embed, value, project, positive.head]
    gradients = torch.autograd.grad(total, [layer.weight for layer in layers])  # type: ignore[misc]
    flow = sum(float((layer.weight.detach() * g).sum()) for layer, g in zip(layers, gradients, strict=True))  # type: ignore[operator]
    assert scored(Synflow(), network, *batch()) == pytest.approx(math.log(flow), rel=1e-6)


@pytest.mark.parametrize("one", [False, True])
def test_synflow_of_attention_whose_scores_overflow_though_what_flows_does_not(one: bool) -> None:
    """With all weights times a thousand the flow is that of weights as they were, times the thousands along it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = AttentionAlone(28, one)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.fill_(0.0 if "bias" in name or name == "positions" else 1000.0)
    # All tokens are equal, so that attention is their mean, whatever the scores: a block is x + 1000 x 8 x 1000 x 8 x.
    total, factor = 3 * 8 * 2 * 1000.0**2, 64 * 1000.0**2
    logarithm = math.log(total) + 28 * math.log(1 + factor)
    layers = 2 + 2 * 28 * factor / (1 + factor)
    assert logarithm > 155 * math.log(10)
    assert scored(Synflow(), network, *batch()) == pytest.approx(logarithm + math.log(layers), rel=1e-6)


def test_synflow_says_where_a_product_overflows_that_is_no_attention() -> None:
    class Squares(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Linear(2, 8), nn.Linear(8, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            state = self.embed(images.flatten(2).transpose(1, 2)) * 1e160
            return self.head(((state @ state.transpose(1, 2)) @ state).mean(dim=1))

    with pytest.raises(NasError, match="overflow"):
        scored(Synflow(), Squares(), *batch())


def derivatives(network: nn.Module, images: torch.Tensor) -> np.ndarray:
    leaf = images.clone().requires_grad_()
    training(network)(leaf).sum().backward()
    return leaf.grad.flatten(1).numpy()  # type: ignore[union-attr]


def diversity(rows: np.ndarray) -> float:
    values = np.linalg.eigvals(np.corrcoef(rows.astype(np.float64))).real
    return float(-np.sum(np.log(values + 1e-5) + 1 / (values + 1e-5)))


def test_jacobian_covariance() -> None:
    network, (images, targets) = made(Convolutional), batch()
    assert scored(JacobCov(), network, images, targets) == pytest.approx(diversity(derivatives(network, images)), rel=1e-3)


@pytest.mark.parametrize("classes", [3, 101])
def test_epe_nas(classes: int) -> None:
    network, (images, targets) = made(Convolutional, classes=classes), batch()
    rows = derivatives(network, images).astype(np.float64)
    sums, counts = [], []
    for label in range(3):
        members = rows[targets.numpy() == label]
        sums.append(sum(math.log(abs(np.corrcoef(a, b)[0, 1]) + 1e-5) for a in members for b in members))
        counts.append(len(members))
    if classes == 3:
        expected = sum(abs(value) for value in sums)
    else:
        means = [value / count for value, count in zip(sums, counts, strict=True)]
        expected = sum(abs(a - b) for a in means for b in means) / 3
    assert scored(EpeNas(), network, images, targets) == pytest.approx(expected, rel=1e-3)


def test_naswot_unit_by_unit() -> None:
    network, (images, targets) = made(Convolutional), batch()
    copied = training(network)
    with torch.no_grad():
        first = copied.first_norm(copied.first(images))
        second = copied.second_norm(copied.second(F.relu(first)))
    codes = np.concatenate([(first > 0).flatten(1).numpy(), (second > 0).flatten(1).numpy()], axis=1)
    kernel = [[(a == b).sum() for b in codes] for a in codes]
    expected = np.linalg.slogdet(np.array(kernel, dtype=float))[1]
    assert scored(Naswot(), network, images, targets) == pytest.approx(expected, rel=1e-6)


def test_zen_with_batch_norm_put_back() -> None:
    network, (images, targets) = made(Convolutional), batch()
    drawn = seeded()
    torch.randint(2**62, (), generator=drawn)  # `score` seeds torch's own generator first
    gaussian = training(network)
    with torch.no_grad():
        for name in LAYERS:
            layer = gaussian.get_submodule(name)
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=drawn))  # type: ignore[union-attr, operator]
        gaussian.first.bias.zero_()
        x, noise = (torch.randn(images.shape, generator=drawn) for _ in range(2))
        maps = [
            F.relu(gaussian.second_norm(gaussian.second(F.relu(gaussian.first_norm(gaussian.first(given))))))
            for given in (x, x + 0.01 * noise)
        ]
    distance = float((maps[0] - maps[1]).abs().sum((1, 2, 3)).mean())
    norms = (gaussian.first_norm, gaussian.second_norm)
    expected = math.log(distance) + sum(math.log(math.sqrt(float(norm.running_var.mean()))) for norm in norms)
    assert scored(Zen(), network, images, targets) == pytest.approx(expected, rel=1e-4)


def test_zico_over_two_halves() -> None:
    network, (images, targets) = made(Convolutional), batch()
    halves = [weight_gradients(network, images[part], targets[part]) for part in (slice(4), slice(4, 8))]
    expected = 0.0
    for (_, a), (_, b) in zip(*halves, strict=True):
        stacked = np.stack([a, b]).astype(np.float64)
        deviation, mean = stacked.std(0), np.abs(stacked).mean(0)
        expected += math.log((mean[deviation > 0] / deviation[deviation > 0]).sum())
    assert scored(ZiCo(), network, images, targets) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("layer", [1, 2])
def test_hidden_covariance_step_by_step(layer: int) -> None:
    images, targets = batch(6, 2, 4)
    network = made(Recurrent)
    sequence = images.transpose(1, 2).flatten(2)
    entering: list[list[np.ndarray]] = [[], []]
    with torch.no_grad():
        h, c = [torch.zeros(6, 5)] * 2, [torch.zeros(6, 5)] * 2
        for step in range(4):
            x = sequence[:, step]
            for index in range(2):
                entering[index].append(h[index].numpy())
                wi, wh, bi, bh = (
                    getattr(network.rnn, f"{kind}_l{index}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                )
                i, f, g, o = (x @ wi.T + bi + h[index] @ wh.T + bh).chunk(4, -1)
                cell = f.sigmoid() * c[index] + i.sigmoid() * g.tanh()
                x = o.sigmoid() * cell.tanh()
                h = [*h[:index], x, *h[index + 1 :]]
                c = [*c[:index], cell, *c[index + 1 :]]
    rows = np.concatenate(entering[layer - 1]).T  # units x (steps and sequences)
    assert scored(HiddenCovariance(layer), network, images, targets) == pytest.approx(diversity(rows), rel=1e-3)


@pytest.mark.parametrize("kind", ["separate", "fused", "sdpa", "torch"])
def test_attention_is_found_however_it_is_written(kind: str) -> None:
    images, targets = batch(4, 4, 3)
    network = made(Attending, kind)
    x = images.flatten(2).mT
    with torch.no_grad():
        weight, bias = network.whole.in_proj_weight, network.whole.in_proj_bias
        q, k, v = (x @ w.T + b for w, b in zip(weight.chunk(3), bias.chunk(3), strict=True))
        confidence = sum(float(part.max(1)[0].mean()) for part in (q, k, v))
        heads = [((q[..., cut] @ k[..., cut].mT) / math.sqrt(2)).softmax(-1) for cut in (slice(0, 2), slice(2, 4))]
        certainty = float(torch.stack(heads, 1).max(1)[0].mean())
    assert scored(AttentionConfidence(), network, images, targets) == pytest.approx(confidence, rel=1e-5)
    assert scored(SoftmaxConfidence(), network, images, targets) == pytest.approx(certainty, rel=1e-5)


def test_naswot_of_images_that_are_not_told_apart() -> None:
    """The determinant is 0; rounding leaves any number."""
    network, (images, targets) = made(Convolutional), batch()
    assert scored(Naswot(), network, torch.cat([images, images]), torch.cat([targets, targets])) == -math.inf
