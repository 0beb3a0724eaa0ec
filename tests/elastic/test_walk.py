"""One walk reads choices, conditions, operators and mistakes from the definition of a network."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nas.base.errors import NasError
from nas.choices import Choice, evaluate, where
from nas.elastic import (
    Depth,
    ElasticBatchNorm2d,
    ElasticConv2d,
    ElasticLayerNorm,
    ElasticLinear,
    OperatorChoice,
    Optional,
    SymbolicTensor,
    shape_rule,
    walk,
)
from nas.supernet import Space, Task

WIDTH = Choice("width", (4, 8))
KERNEL = Choice("kernel", (3, 5))
PRESENT = Choice("present", (False, True))


class Calls(nn.Module):
    """A module that runs the function it is given."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def space_of(*layers: nn.Module) -> Space:
    return Space("tiny", lambda task: nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), task=Task(3, 8, 4))


def matters(space: Space, name: str) -> set[tuple[tuple[str, object], ...]]:
    """The settings of the other decisions under which this one matters."""
    found = set()
    for row in itertools.product(*map(range, space.decisions.cardinalities)):
        architecture = space.decode([row])[0]
        if name in architecture:
            found.add(tuple((other, option) for other, option in architecture.items() if other != name))
    return found


def test_the_kernel_of_an_optional_layer_matters_only_where_the_layer_is() -> None:
    space = space_of(ElasticConv2d(3, 4, 1), Optional(ElasticConv2d(4, 4, KERNEL), PRESENT))
    assert space.decisions.names == ("present", "kernel")
    assert matters(space, "kernel") == {(("present", True),)}
    assert space.size == 3


def test_depth_switches_the_choices_of_later_blocks_off() -> None:
    kernels = [Choice(f"kernel{index}", (3, 5)) for index in range(3)]
    space = space_of(
        ElasticConv2d(3, 4, 1), Depth([ElasticConv2d(4, 4, kernel) for kernel in kernels], Choice("depth", (1, 2, 3)))
    )
    assert space.size == 2 + 4 + 8
    assert {dict(setting)["depth"] for setting in matters(space, "kernel1")} == {2, 3}
    assert {dict(setting)["depth"] for setting in matters(space, "kernel2")} == {3}


def test_an_operator_owns_the_choices_inside_it() -> None:
    operator = Choice("operator", ("conv", "skip"))
    space = space_of(
        ElasticConv2d(3, 4, 1), OperatorChoice(operator, {"conv": ElasticConv2d(4, 4, KERNEL), "skip": nn.Identity()})
    )
    assert matters(space, "kernel") == {(("operator", "conv"),)}


def test_conditions_nest() -> None:
    inner = Optional(ElasticConv2d(4, 4, KERNEL), Choice("inner", (False, True)))
    space = space_of(ElasticConv2d(3, 4, 1), Optional(nn.Sequential(nn.ReLU(), inner), PRESENT))
    assert matters(space, "inner") == {
        (("present", True),),
        (("present", True), ("kernel", 3)),
        (("present", True), ("kernel", 5)),
    }
    assert matters(space, "kernel") == {(("present", True), ("inner", True))}
    assert space.size == 1 + 1 + 2


def test_a_default_inside_what_is_left_out_brings_nothing_into_play() -> None:
    operator = Choice("operator", ("conv", "skip"))
    either = OperatorChoice(operator, {"conv": ElasticConv2d(4, 4, KERNEL), "skip": nn.Identity()})
    space = space_of(ElasticConv2d(3, 4, 1), Optional(either, PRESENT))
    assert matters(space, "kernel") == {(("present", True), ("operator", "conv"))}
    assert space.size == 1 + 1 + 2
    assert space.cost("params", space.smallest) == 3 * 4


def test_a_choice_used_in_two_places_matters_where_either_is() -> None:
    space = space_of(
        ElasticConv2d(3, 4, 1),
        Optional(ElasticConv2d(4, 4, KERNEL), PRESENT),
        Optional(ElasticConv2d(4, 4, KERNEL), Choice("again", (False, True))),
    )
    settings = [dict(setting) for setting in matters(space, "kernel")]
    assert sorted((s["present"], s["again"]) for s in settings) == [(False, True), (True, False), (True, True)]


def test_a_choice_behind_a_case_matters_only_in_that_case() -> None:
    width = where(PRESENT, Choice("wide", (6, 8)), 4)
    space = space_of(ElasticConv2d(3, width, 1), ElasticConv2d(width, 4, 1))
    assert matters(space, "wide") == {(("present", True),)}


def test_same_padding_keeps_the_kernel_out_of_the_shape() -> None:
    found = walk(nn.Sequential(ElasticConv2d(3, 4, KERNEL, stride=2)), (3, 9, 9))
    assert found.output == (1, 4, 5, 5)


def test_operators_carry_shapes_and_parameters() -> None:
    network = nn.Sequential(ElasticConv2d(3, WIDTH, KERNEL, bias=True), ElasticBatchNorm2d(WIDTH), nn.ReLU())
    found = walk(network, (3, 8, 8))
    assert [operator.kind for operator in found.operators] == ["conv2d", "batch_norm", "activation"]
    codes = {"width": 1, "kernel": 1}
    assert [evaluate(operator.parameters, codes) for operator in found.operators] == [8 * 3 * 25 + 8, 16, 0]
    assert [evaluate(size, codes) for size in found.operators[0].output.shape] == [1, 8, 8, 8]


PLAIN: dict[str, nn.Module] = {
    "conv": nn.Conv2d(3, 6, (3, 5), stride=(2, 1), padding=(1, 0)),
    "conv-dilated": nn.Conv2d(3, 6, 3, dilation=2),
    "conv-same": nn.Conv2d(3, 6, 3, padding="same"),
    "conv-same-dilated": nn.Conv2d(3, 6, 3, padding="same", dilation=3),
    "conv-same-even": nn.Conv2d(3, 6, 4, padding="same"),
    "conv-valid": nn.Conv2d(3, 6, 3, padding="valid"),
    "max-pool": nn.MaxPool2d(3, 2, 1),
    "max-pool-dilated": nn.MaxPool2d(3, 1, dilation=2),
    "avg-pool": nn.AvgPool2d(2),
    "avg-pool-uncounted": nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "max-pool-partly-filled": nn.MaxPool2d(2, 2, 1, ceil_mode=True),
    "avg-pool-partly-filled": nn.AvgPool2d(2, 2, ceil_mode=True),
    "adaptive": nn.AdaptiveAvgPool2d((3, None)),
    "global": nn.AdaptiveMaxPool2d(1),
    "flatten": nn.Flatten(),
    "flatten-some": nn.Flatten(2),
    "linear": nn.Linear(9, 4),
    "layer-norm": nn.LayerNorm(9),
    "batch-norm": nn.BatchNorm2d(3),
    "swish": nn.SiLU(),
    "hardswish": nn.Hardswish(),
    "relu6": nn.ReLU6(),
    "hardsigmoid": nn.Hardsigmoid(),
    "gelu": nn.GELU(),
    "softmax": nn.Softmax(-1),
    "dropout": nn.Dropout(0.1),
    "add": Calls(lambda x: x + x * 2.0),
    "number-first": Calls(lambda x: 1.0 - 2.0 * x),
    "in-place": Calls(lambda x: x.mul(3.0) / 2 - x),
    "concatenate": Calls(lambda x: torch.cat([x, F.relu(x)], 1)),
    "concatenate-last": Calls(lambda x: torch.cat((x, x), dim=-1)),
    "mean": Calls(lambda x: x.mean((2, 3), keepdim=True) * x),
    "mean-one": Calls(lambda x: x.mean(1)),
    "permute": Calls(lambda x: x.permute(0, 2, 3, 1)),
    "transpose": Calls(lambda x: x.flatten(2).transpose(1, 2)),
    "unsqueeze": Calls(lambda x: x.mean((2, 3)).unsqueeze(-1).unsqueeze(-1) * x),
    "sizes": Calls(lambda x: x if x.dim() == 4 and x.size(1) == x.shape[1] else x.flatten(1)),
}


@pytest.mark.filterwarnings("ignore:Using padding=.same.:UserWarning")
@pytest.mark.parametrize("name", PLAIN)
def test_shapes_of_torchs_own_modules_are_those_that_torch_gives(name: str) -> None:
    module = PLAIN[name].eval()
    assert walk(nn.Sequential(module), (3, 9, 9)).output == tuple(module(torch.randn(1, 3, 9, 9)).shape)


class Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x)


class PythonIf(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if KERNEL > 3 else x


class PythonRange(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(KERNEL):  # type: ignore[arg-type]
            x = F.relu(x)
        return x


MISTAKES: dict[str, tuple[nn.Module, str]] = {
    "residual": (Residual(ElasticConv2d(4, WIDTH)), r"^stage\.fault:.*joined.*width"),
    "channels": (ElasticConv2d(WIDTH, 4), r"^stage\.fault:.*channels that arrive.*4.*width"),
    "batch norm": (ElasticBatchNorm2d(WIDTH), r"^stage\.fault:.*batch norm.*width"),
    "layer norm": (ElasticLayerNorm(WIDTH), r"^stage\.fault:.*layer norm.*width"),
    "features": (ElasticLinear(WIDTH, 4), r"^stage\.fault:.*features.*width"),
    "optional": (Optional(ElasticConv2d(4, 8), PRESENT), r"^stage\.fault:.*left out.*4.*8"),
    "depth": (Depth([ElasticConv2d(4, 8)], Choice("depth", (0, 1))), r"^stage\.fault:.*left out"),
    "concatenation": (Calls(lambda x: torch.cat([x, F.max_pool2d(x, 2)], 1)), r"^stage\.fault:.*concatenated"),
    "stretched": (Calls(lambda x: x + x.mean((2, 3))), r"^stage\.fault:.*element by element"),
    "inner sizes": (Calls(lambda x: x @ torch.zeros(3, 3)), r"^stage\.fault:.*inner sizes"),
    "reshaped": (Calls(lambda x: x.reshape(1, 3, -1)), r"^stage\.fault:.*reshaping"),
    "unequal parts": (Calls(lambda x: x.chunk(3, 1)[0]), r"^stage\.fault:.*3 equal parts"),
    "index": (Calls(lambda x: x[:, "first"]), r"^stage\.fault:.*indexed with 'first'"),
    "stacked": (Calls(lambda x: torch.stack([x, F.max_pool2d(x, 2)])), r"^stage\.fault:.*stacked"),
    "function": (Calls(lambda x: torch.fft.fft(x)), r"^stage\.fault uses 'fft_fft'.*shape_rule"),
    "functional": (Calls(lambda x: F.lp_pool2d(x, 2, 2)), r"^stage\.fault uses 'lp_pool2d'"),
    "method": (Calls(lambda x: x.cumsum(1)), r"^stage\.fault uses 'cumsum'"),
    "operator": (Calls(lambda x: x**2), r"^stage\.fault uses '.*pow.*'"),
    "negative": (Calls(lambda x: -x), r"^stage\.fault uses '.*neg.*'"),
    "list": (Calls(lambda x: torch.block_diag(x, x)), r"^stage\.fault uses 'block_diag'"),
    "if": (PythonIf(), r"^stage\.fault:.*Optional"),
    "range": (PythonRange(), r"^stage\.fault:.*architecture is chosen"),
    "same name": (
        nn.Sequential(ElasticConv2d(4, 4, KERNEL), ElasticConv2d(4, 4, Choice("kernel", (3, 7)))),
        r"'kernel'.*\(3, 5\).*\(3, 7\)",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_place(mistake: str) -> None:
    module, words = MISTAKES[mistake]
    network = nn.Sequential()
    network.add_module("stem", nn.Conv2d(3, 4, 1))
    network.add_module("stage", nn.Sequential())
    network.stage.add_module("fault", module)
    with pytest.raises(NasError, match=words):
        walk(network, (3, 8, 8))


def test_a_walk_leaves_no_hooks_behind() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), PythonIf())
    with pytest.raises(NasError):
        walk(network, (3, 8, 8))
    assert walk(network[0], (3, 8, 8)).output == (1, 4, 8, 8)
    assert nn.ReLU()(torch.ones(2)).tolist() == [1, 1]


def test_shapes_that_agree_in_every_architecture_are_the_same() -> None:
    twice = Choice("twice", (8, 16))
    half = twice.map({8: 4, 16: 8})
    network = nn.Sequential(ElasticConv2d(3, twice // 2), Residual(ElasticConv2d(half, half)), ElasticConv2d(half, 2))
    assert walk(network, (3, 4, 4)).output == (1, 2, 4, 4)


def test_a_space_must_return_scores() -> None:
    with pytest.raises(NasError, match=r"\(N, 4\)"):
        Space("headless", lambda task: nn.Sequential(nn.Conv2d(3, 4, 1)), task=Task(3, 8, 4))


def test_layers_that_cannot_be_are_refused() -> None:
    with pytest.raises(NasError, match="odd"):
        ElasticConv2d(3, 4, Choice("kernel", (2, 3)))
    with pytest.raises(NasError, match="groups"):
        ElasticConv2d(6, WIDTH, 3, groups=3)
    with pytest.raises(NasError, match="2 blocks"):
        Depth([nn.Identity(), nn.Identity()], Choice("depth", (1, 3)))
    with pytest.raises(NasError, match="'operator'"):
        OperatorChoice(Choice("operator", ("a", "b")), {"a": nn.Identity()})


def test_a_rule_of_ones_own_covers_a_function() -> None:
    def twist(x: torch.Tensor) -> torch.Tensor:
        if torch.overrides.has_torch_function_unary(x):
            return torch.overrides.handle_torch_function(twist, (x,), x)  # type: ignore[no-any-return]
        return x.flip(-1)

    @shape_rule(twist)
    def _twist(x: SymbolicTensor) -> SymbolicTensor:
        return x.recorder.record("twist", (x,), x.shape)

    found = walk(nn.Sequential(Calls(twist)), (3, 8, 8))
    assert [operator.kind for operator in found.operators] == ["twist"]
