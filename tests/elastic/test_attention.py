"""Elastic attention, relative positions, learned tensors and patch embeddings against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import fx, nn

from nas.choices import Choice
from nas.costs import macs_terms, parameter_terms
from nas.elastic import (
    DirectGradients,
    ElasticAttention,
    ElasticLinear,
    ElasticParameter,
    ElasticPatchEmbedding,
    RelativeAttention,
    RelativePosition2d,
    walk,
)
from nas.supernet import Space, Task
from nas.supernet.extract import extract

WIDTH, HEADS, HEAD_DIM = Choice("width", (8, 12)), Choice("heads", (1, 2, 3)), 4


class Tokens(nn.Module):
    """A network of tokens, to have the layers of this module in a space."""

    def __init__(self, task: Task, relative: bool = False) -> None:
        super().__init__()
        side = task.resolution // 2
        self.patches = ElasticPatchEmbedding(task.channels, WIDTH, 2)
        self.token = ElasticParameter(1, 1, WIDTH)
        kind = RelativeAttention if relative else ElasticAttention
        self.attention = kind(WIDTH, HEADS, HEAD_DIM, **({"side": side, "distance": 1} if relative else {}))
        self.head = ElasticLinear(WIDTH, task.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.of(x).expand(x.shape[0], -1, -1), x), 1)
        return self.head((x + self.attention(x)).mean(1))


def space(relative: bool = False) -> Space:
    return Space("tokens", lambda task: Tokens(task, relative), task=Task(3, 8, 5))


def test_fewer_heads_are_the_first_rows_of_query_key_and_value() -> None:
    attention = ElasticAttention(WIDTH, HEADS, HEAD_DIM)
    x = torch.randn(2, 7, 8)
    for layer in (attention.query, attention.key, attention.value):
        nn.init.normal_(layer.bias)
        layer.activate((8, 8))
    attention.projection.activate((8, 8))
    attention.activate((2, HEAD_DIM))
    weights = torch.cat([layer.weight[:8, :8] for layer in (attention.query, attention.key, attention.value)])
    biases = torch.cat([layer.bias[:8] for layer in (attention.query, attention.key, attention.value)])
    expected, _ = F.multi_head_attention_forward(
        *[x.transpose(0, 1)] * 3, 8, 2, weights, biases, None, None, False, 0.0,
        attention.projection.weight[:8, :8], attention.projection.bias[:8],
    )  # fmt: skip
    assert torch.allclose(attention(x), expected.transpose(0, 1), atol=1e-6)


def test_a_bias_is_added_to_the_scores_and_tokens_may_come_in_groups() -> None:
    attention = ElasticAttention(8, 2, 4)
    x = torch.randn(2, 6, 8)
    blocked = torch.zeros(6, 6)
    blocked[:3, 3:] = blocked[3:, :3] = float("-inf")
    apart = attention(x.unflatten(1, (2, 3)))
    assert torch.allclose(attention(x, blocked), apart.flatten(1, 2), atol=1e-6)


@pytest.mark.parametrize(("side", "distance"), [(4, 2), (3, 14), (5, 1)])
def test_relative_positions_are_one_vector_for_each_pair(side: int, distance: int) -> None:
    """The definition: a table by rows plus one by columns, entry 0 for every pair with the class token."""
    relative = RelativePosition2d(side, 6, distance)
    nn.init.normal_(relative.tables.full)
    places = 1 + side**2
    vectors = torch.zeros(places, places, 6)
    tables = relative.tables.full.detach()
    for first in range(places):
        for second in range(places):
            entries = (0, 0)
            if first and second:
                (row, column), (other_row, other_column) = divmod(first - 1, side), divmod(second - 1, side)
                offsets = (other_row - row, other_column - column)
                entries = tuple(max(-distance, min(distance, offset)) + distance + 1 for offset in offsets)
            vectors[first, second] = tables[0, entries[0]] + tables[1, entries[1]]
    query = torch.randn(2, 3, places, 6)
    scores = torch.einsum("bhqd,qkd->bhqk", query, vectors)
    assert torch.allclose(relative.scores(query).softmax(-1), scores.softmax(-1), atol=1e-5)
    weights = scores.softmax(-1)
    mixture = torch.einsum("bhqk,qkd->bhqd", weights, vectors)
    assert torch.allclose(relative.mixture(weights), mixture, atol=1e-5)


def test_distances_beyond_the_largest_share_an_entry() -> None:
    index = RelativePosition2d(4, 2, 1).index
    assert index.tolist() == [[2, 3, 3, 3], [1, 2, 3, 3], [1, 1, 2, 3], [1, 1, 1, 2]]


@pytest.mark.parametrize("relative", [False, True])
def test_every_sub_network_is_the_extracted_one(relative: bool) -> None:
    made = space(relative)
    supernet = made.supernet(3, 8, 5).eval()
    images = torch.randn(5, 3, 8, 8)
    rows = made.decisions.check(np.stack(np.meshgrid(range(2), range(3)), -1).reshape(-1, 2))
    seen = set()
    for row in rows:
        supernet.activate(row)
        extracted = supernet.extract(row)
        for batch in (images, images[:1]):
            assert torch.allclose(supernet(batch), extracted(batch), atol=1e-5)
        parameters = sum(parameter.numel() for parameter in extracted.parameters())
        assert made.compiled("params")(row.reshape(1, -1))[0] == parameters
        seen.add(parameters)
    assert len(seen) == 6


def test_a_learned_tensor_is_an_ordinary_parameter_once_extracted() -> None:
    supernet = space().supernet(3, 8, 5)
    extracted = supernet.extract({"width": 8, "heads": 1})
    token = dict(extracted.named_parameters())["token.weight"]
    assert isinstance(token, nn.Parameter)
    assert torch.equal(token, supernet.network.token.full[:, :, :8])
    token.data.zero_()
    assert supernet.network.token.full.abs().min() > 0, "a copy, not the supernet's memory"
    assert not [node for node in extracted.graph.nodes if node.op == "call_module" and "token" in str(node.target)]
    assert isinstance(extracted, fx.GraphModule)


def test_gradients_reach_the_part_of_a_learned_tensor_in_use() -> None:
    supernet = space().supernet(3, 8, 5)
    supernet.activate({"width": 8, "heads": 2})
    with DirectGradients(supernet.network) as direct:
        direct.begin()
        supernet(torch.randn(2, 3, 8, 8)).square().sum().backward()
        direct.end()
        gradient = supernet.network.token.full.grad
        assert gradient is not None
        assert gradient[..., :8].abs().min() > 0
        assert not gradient[..., 8:].any()


def test_patches_are_those_of_a_convolution_without_padding() -> None:
    layer = ElasticPatchEmbedding(3, WIDTH, 3)
    layer.activate((3, 8))
    images = torch.randn(2, 3, 10, 10)
    expected = F.conv2d(images, layer.weight[:8], layer.bias[:8], stride=3)
    assert torch.equal(layer(images), expected)
    assert expected.shape == (2, 8, 3, 3), "a row and a column that fill no patch are left out"
    assert torch.equal(layer.static()(images), expected)


def test_attention_costs_two_products_beside_its_linear_layers() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = ElasticAttention(8, 2, 4, project=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.attention(x)

    found = walk(Network(), (7, 8))
    assert found.output == (1, 7, 8)
    assert sum(int(term.evaluate({})) for term in macs_terms(found)) == 3 * 7 * 8 * 8 + 2 * 7 * 7 * 8
    assert sum(int(term.evaluate({})) for term in parameter_terms(found)) == 3 * 8 * 9
    assert extract(Network())(torch.randn(1, 7, 8)).shape == (1, 7, 8)
