"""What holds for every proxy: the network is left alone, the seed decides, and what is not defined is said."""

from __future__ import annotations

import copy

import pytest
import torch
from proxy_networks import Attending, Convolutional, Recurrent, batch, made, scored, seeded
from torch import nn

from nas.base.errors import NasError
from nas.predicting.proxy import NotDefined, Proxy, open_proxy, proxy_names

OF_CONVOLUTIONS = [
    name for name in proxy_names() if name not in ("attention-confidence", "softmax-confidence", "hidden-covariance")
]


def test_the_built_in_ones_are_installed() -> None:
    named = "params macs grad-norm snip grasp fisher synflow jacob-cov naswot epe-nas zen zico l2 plain"
    assert {*named.split(), "hidden-covariance", "attention-confidence", "softmax-confidence"} <= set(proxy_names())
    assert all(open_proxy(name).summary and open_proxy(name).source for name in proxy_names())
    with pytest.raises(NasError, match=r"synfow.*synflow"):
        open_proxy("synfow")


@pytest.mark.parametrize("name", OF_CONVOLUTIONS)
def test_the_network_is_left_as_it_was(name: str) -> None:
    network, (images, targets) = made(Convolutional), batch()
    network.train()
    network.second.eval()
    network.first.weight.requires_grad_(False)
    network.linear.weight.grad = torch.ones_like(network.linear.weight)
    before = copy.deepcopy(network.state_dict())
    pictures = images.clone()
    first = scored(open_proxy(name)(), network, images, targets)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert network.training and network.first.training and not network.second.training
    assert not network.first.weight.requires_grad and network.second.weight.requires_grad
    assert torch.equal(network.linear.weight.grad, torch.ones_like(network.linear.weight))
    assert network.first.weight.grad is None and network.second.weight.grad is None
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in network.modules())
    assert torch.equal(images, pictures) and not images.requires_grad
    state = torch.get_rng_state()
    assert scored(open_proxy(name)(), network, images, targets) == first
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", OF_CONVOLUTIONS)
def test_labels_and_images_matter_where_it_is_said(name: str) -> None:
    found = open_proxy(name)
    network, (images, targets) = made(Convolutional), batch()
    first = scored(found(), network, images, targets)
    assert (scored(found(), network, images, targets.sort()[0]) == first) is not found.needs_labels
    assert (scored(found(), network, images.flip(-1) + images, targets) == first) is not found.needs_data


def test_zen_draws_from_the_generator() -> None:
    network, (images, targets) = made(Convolutional), batch()
    zen = open_proxy("zen")()
    assert zen.score(network, images, targets, seeded(1)) != zen.score(network, images, targets, seeded(2))
    once, many = (
        [open_proxy("zen")(repeats).score(network, images, targets, seeded(s)) for s in range(5)] for repeats in (1, 8)
    )
    assert torch.tensor(many).std() < torch.tensor(once).std()


@pytest.mark.parametrize("name", OF_CONVOLUTIONS)
def test_networks_without_batch_norm(name: str) -> None:
    images, targets = batch()
    assert abs(scored(open_proxy(name)(), made(Convolutional, norm=False), images, targets)) < float("inf")


@pytest.mark.parametrize("kind", ["sdpa", "torch"])
def test_what_is_defined_for_a_transformer(kind: str) -> None:
    network, (images, targets) = made(Attending, kind), batch(8, 4, 3)
    left_out = set()
    for name in proxy_names():
        try:
            assert abs(scored(open_proxy(name)(), network, images, targets)) < float("inf"), name
        except NotDefined as error:
            left_out.add(name)
            assert "fit such a network" in str(error)
    assert left_out == {"naswot", "zen", "hidden-covariance"}


def test_what_is_defined_for_a_recurrent_network() -> None:
    network, (images, targets) = made(Recurrent), batch(8, 2, 4)
    left_out = set()
    for name in proxy_names():
        try:
            assert abs(scored(open_proxy(name)(), network, images, targets)) < float("inf"), name
        except NotDefined:
            left_out.add(name)
    assert left_out == {"naswot", "zen", "attention-confidence", "softmax-confidence"}
    with pytest.raises(NasError, match="layers 1 to 2"):
        scored(open_proxy("hidden-covariance")(3), network, images, targets)


@pytest.mark.parametrize("name", ["synflow", "jacob-cov", "naswot", "epe-nas"])
def test_a_network_that_passes_no_signal_has_the_lowest_score(name: str) -> None:
    network, (images, targets) = made(Convolutional, norm=False), batch()
    with torch.no_grad():
        network.first.weight.zero_()
        network.first.bias.zero_()
    assert scored(open_proxy(name)(), network, images, targets) == -torch.inf


def test_mistakes_are_told() -> None:
    network, (images, targets) = made(Convolutional), batch()
    with pytest.raises(NasError, match="8 images and 4 targets"):
        scored(open_proxy("snip")(), network, images, targets[:4])
    with pytest.raises(NasError, match="beyond the 3 classes"):
        scored(open_proxy("snip")(), network, images, targets + 1)
    with pytest.raises(NasError, match="at least 2; given 2"):
        scored(open_proxy("zico")(), network, images[:2], targets[:2])
    with pytest.raises(NasError, match="overflow"):
        huge = made(Convolutional, norm=False)
        huge.linear.bias.data.fill_(torch.inf)
        scored(open_proxy("grad-norm")(), huge, images, targets)
    with pytest.raises(NotDefined, match="no class has two images"):
        scored(open_proxy("epe-nas")(), network, images[:3], torch.arange(3))
    with pytest.raises(NotDefined, match="no convolution"):
        scored(open_proxy("l2")(), nn.Flatten(), images, targets)


def test_a_proxy_of_ones_own_may_write_on_the_network() -> None:
    class Careless(Proxy):
        summary = source = "a test"

        def measure(self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> float:
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter.fill_(1.0)
            network(images).sum().backward()
            return 2.0

    network, (images, targets) = made(Convolutional), batch()
    before = copy.deepcopy(network.state_dict())
    assert scored(Careless(), network, images, targets) == 2.0
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert network.first.weight.grad is None
