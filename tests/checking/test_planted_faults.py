"""Each planted fault is found, and named with its place."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from planted import Block, Correct, space
from torch import nn

from nas.checking import Finding, Report, check_space
from nas.choices import Choice
from nas.elastic import (
    ElasticConv2d,
    ElasticLayer,
    ElasticLinear,
    OperatorChoice,
    Optional,
    SymbolicTensor,
    Unit,
    shape_rule,
)
from nas.supernet import Space


def report(make: Callable[[], Space] | Space, onnx: int = 0) -> Report:
    return check_space(make, count=4, onnx=onnx)


def found(make: Callable[[], Space] | Space) -> Finding:
    """The first finding: those after it may follow from it."""
    findings = report(make).findings
    assert findings, "the fault was not found"
    return findings[0]


def test_a_correct_space_has_no_finding() -> None:
    known = {"small": {"width": 4, "depth": 1, "kernel0": 3, "operator": "pool"}}
    told = report(space(known=known), onnx=1)
    assert told.findings == ()
    assert told.skipped == {}
    assert told.ok and len(told.passed) == 16


def test_a_width_that_breaks_a_residual() -> None:
    class Wide(Correct):
        def make_block(self, index: int) -> nn.Module:
            block = Block(self.width, Choice(f"kernel{index}", (1, 3)))
            if index == 1:
                block.conv = ElasticConv2d(self.width, self.width * 2, block.conv.settings["kernel_size"])
                block.norm = type(block.norm)(self.width * 2)
            return block

    told = found(space(Wide))
    assert "blocks.blocks.1" in told.place and "planted.py" in told.place
    assert "same shape" in told.problem and "symbolic width" in told.advice


def test_a_forgotten_candidate() -> None:
    class Forgotten(Correct):
        def make_operator(self) -> nn.Module:
            return OperatorChoice(Choice("operator", ("skip", "pool", "conv")), {"skip": nn.Identity(), "pool": nn.ReLU()})

    told = found(space(Forgotten))
    assert "decision 'operator'" in told.place and "test_planted_faults.py" in told.place
    assert "one candidate for each" in told.problem


def test_a_forgotten_value() -> None:
    class Forgotten(Correct):
        def make_block(self, index: int) -> nn.Module:
            return Block(self.width, Choice(f"op{index}", ("small", "large")).map({"small": 3}))

    told = found(space(Forgotten))
    assert "decision 'op0'" in told.place and "['large']" in told.problem


def test_an_option_that_no_layer_reads() -> None:
    class Forgotten(Correct):
        def make_head(self) -> nn.Module:
            self.ratio = Choice("ratio", (1, 2))
            return super().make_head()

    told = found(space(Forgotten))
    assert "decision 'ratio'" in told.place and "decides nothing" in told.problem


class Summed(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cumsum(x, 2)


def test_an_operator_without_a_cost() -> None:
    class Uncounted(Correct):
        def make_norm(self) -> nn.Module:
            return nn.Sequential(super().make_norm(), Summed())

    told = found(space(Uncounted))
    assert told.place.startswith("norm.1 (") and "'cumsum'" in told.problem


def test_an_operator_that_is_counted_as_free() -> None:
    def mixed(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if torch.overrides.has_torch_function((x, y)):
            return torch.overrides.handle_torch_function(mixed, (x, y), x, y)  # type: ignore[no-any-return]
        return torch.matmul(x, y)

    @shape_rule(mixed)
    def _mixed(x: SymbolicTensor, y: SymbolicTensor) -> SymbolicTensor:
        return x.recorder.record("activation", (x, y), x.shape)

    class Mixing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return mixed(x, x)

    class Uncounted(Correct):
        def make_norm(self) -> nn.Module:
            return nn.Sequential(super().make_norm(), Mixing())

    told = found(space(Uncounted))
    assert (told.check, told.place) == ("counts", "norm.1")
    assert "multiply-adds by fvcore" in told.problem


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale.exp().reshape(1, 1, 1, 1)


def test_parameters_that_are_not_counted() -> None:
    class Uncounted(Correct):
        def make_norm(self) -> nn.Module:
            return nn.Sequential(super().make_norm(), Scaled())

    told = found(space(Uncounted))
    assert (told.check, told.place) == ("counts", "norm.1")
    assert "parameters" in told.problem


@pytest.mark.parametrize(("options", "problem"), [((3, 5), "both named"), ((1, 3), "count as one decision")])
def test_a_name_used_twice(options: tuple[int, int], problem: str) -> None:
    class Twice(Correct):
        def make_block(self, index: int) -> nn.Module:
            return Block(self.width, Choice("kernel", (1, 3) if index == 0 else options))

    told = found(space(Twice))
    assert "decision 'kernel'" in told.place and problem in told.problem


calls = itertools.count(1)


class Counting(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (1.0 + 0.1 * (next(calls) % 7))


class Flipping(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if random.random() < 0.5 else x * -1.0


seen: dict[str, Any] = {}


class Remembering(nn.Module):
    """Uses what the pass before left behind."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if isinstance(x, SymbolicTensor):
            return torch.relu(x)
        width = seen.get("width", 4)
        seen["width"] = x.shape[1]
        return torch.relu(x) * width


@pytest.mark.parametrize("module", [Counting, Flipping, Remembering])
def test_a_forward_that_depends_on_global_state(module: type[nn.Module]) -> None:
    class Stateful(Correct):
        def make_norm(self) -> nn.Module:
            return nn.Sequential(super().make_norm(), module())

    told = found(space(Stateful))
    assert (told.check, told.place) == ("stateless", "norm.1")
    assert "other scores" in told.problem


def test_a_batch_norm_with_running_statistics() -> None:
    class Averaged(Correct):
        def make_norm(self) -> nn.Module:
            return nn.Sequential(super().make_norm(), ElasticConv2d(self.width, 8, 1), nn.BatchNorm2d(8), self._back())

        def _back(self) -> nn.Module:
            return ElasticConv2d(8, self.width, 1)

    told = found(space(Averaged))
    assert (told.check, told.place) == ("norms", "norm.2")
    assert "ElasticBatchNorm2d" in told.advice


def test_a_choice_that_changes_nothing() -> None:
    class Same(Correct):
        def make_operator(self) -> nn.Module:
            candidates = {"plain": nn.ReLU(), "fast": nn.ReLU(), "conv": ElasticConv2d(self.width, self.width, 3)}
            return OperatorChoice(Choice("operator", tuple(candidates)), candidates)

    told = found(space(Same))
    assert (told.check, told.place) == ("options", "decision 'operator'")
    assert "'plain' and 'fast'" in told.problem

    class Labelled(Correct):
        def make_norm(self) -> nn.Module:
            norm = super().make_norm()
            norm.unit = Unit("norm", {"flavour": Choice("flavour", (1, 2))})
            return norm

    assert found(space(Labelled)).place == "decision 'flavour'"


def test_a_known_network_that_is_illegal() -> None:
    told = found(space(known={"ours": {"width": 5, "depth": 1, "kernel0": 3, "operator": "pool"}}))
    assert told.place == "known network 'ours'"
    assert "'width' cannot be 5; legal: 4, 8" in told.problem


class Gain(ElasticLayer):
    """An elastic layer of one's own; its static twin forgets the bias."""

    def __init__(self, width: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8))
        self.bias = nn.Parameter(torch.ones(8))
        self.declare(width=width)

    def cuts(self, setting: Any) -> dict[str, Any]:
        return {"weight": (slice(0, setting[0]),), "bias": (slice(0, setting[0]),)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if isinstance(x, SymbolicTensor):
            width = self.settings["width"]
            return x.recorder.record("conv2d", (x,), x.shape, CONV | {"groups": width}, 2 * width)
        weight, bias = self.parts()
        assert weight is not None
        return F.conv2d(x, weight[:, None, None, None], bias, groups=len(weight))

    def static(self) -> nn.Module:
        width = self.chosen()[0]
        twin = nn.Conv2d(width, width, 1, groups=width)
        with torch.no_grad():
            twin.weight.copy_(self.weight[:width, None, None, None])
            twin.bias.zero_()
        return twin


CONV = {"kernel_h": 1, "kernel_w": 1, "stride": 1, "dilation": 1}


def test_a_static_twin_that_computes_something_else() -> None:
    class Unlike(Correct):
        def make_norm(self) -> nn.Module:
            return nn.Sequential(super().make_norm(), Gain(self.width))

    told = found(space(Unlike))
    assert (told.check, told.place) == ("exact", "norm.1")
    assert "static()" in told.advice


def test_a_canonical_form_that_is_none() -> None:
    def raised(rows: np.ndarray) -> np.ndarray:
        changed = np.array(rows, order="F")
        changed[:, -1] = (changed[:, -1] + 1) % 3
        return changed

    told = found(space(isomorphism=raised))
    assert told.check == "canonical" and "decision 'operator'" in told.place
    assert "applied twice" in told.problem


def test_a_canonical_form_that_merges_unequal_networks() -> None:
    def costly(rows: np.ndarray) -> np.ndarray:
        changed = np.array(rows, order="F")
        changed[:, 0] = 0
        return changed

    told = report(space(isomorphism=costly)).findings
    assert {"reachable", "idle"} <= {one.check for one in told}
    assert any("width" in one.place and "differ in macs" in one.problem for one in told)

    class Ordered(Correct):
        """Two operators, one after the other: their order matters, and costs nothing."""

        def make_operator(self) -> nn.Module:
            def choice(index: int) -> nn.Module:
                candidates = {"pool": nn.MaxPool2d(3, 1, 1), "mean": nn.AvgPool2d(3, 1, 1), "relu": nn.Hardswish()}
                return OperatorChoice(Choice(f"operator{index}", tuple(candidates)), candidates)

            return nn.Sequential(choice(0), choice(1))

    def sorted_operators(rows: np.ndarray) -> np.ndarray:
        changed = np.array(rows, order="F")
        changed[:, -2:] = np.sort(changed[:, -2:], axis=1)
        return changed

    told = report(space(Ordered, isomorphism=sorted_operators)).findings
    assert [one.check for one in told] == ["idle"]
    assert "compute something else" in told[0].problem and "operator0, operator1" in told[0].place


def test_python_if_on_a_choice() -> None:
    class If(Correct):
        def make_head(self) -> nn.Module:
            return ElasticLinear(self.width, 20 if self.width > 4 else 10)

    told = found(space(If))
    assert "test_planted_faults.py" in told.place and "no truth value" in told.problem and "'if'" in told.advice

    class Branching(nn.Module):
        def __init__(self, width: Choice) -> None:
            super().__init__()
            self.width = width

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.relu() if self.width > 4 else x

    class IfInForward(Correct):
        def make_norm(self) -> nn.Module:
            return nn.Sequential(super().make_norm(), Branching(self.width))

    told = found(space(IfInForward))
    assert told.place.startswith("norm.1 (test_planted_faults.py") and "no truth value" in told.problem


class Mean(nn.Module):
    """Subtracts the mean over the batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - 0.5 * x.mean(0, keepdim=True)


class Joined(nn.Module):
    """Moves the batch into the channels and back, which only fits even batches."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if isinstance(x, SymbolicTensor):
            return torch.relu(x)
        return torch.relu(x.reshape(len(x) // 2, 2, *x.shape[1:]).reshape(x.shape))


@pytest.mark.parametrize("module", [Mean, Joined])
def test_a_forward_that_mixes_the_batch(module: type[nn.Module]) -> None:
    class Mixing(Correct):
        def make_norm(self) -> nn.Module:
            return nn.Sequential(super().make_norm(), module())

    told = found(space(Mixing))
    assert told.place.startswith("norm.1")


def test_scores_for_the_wrong_number_of_classes() -> None:
    class Fixed(Correct):
        def make_head(self) -> nn.Module:
            return ElasticLinear(self.width, 10)

    told = found(space(Fixed))
    assert told.check == "builds" and "(N, 7)" in told.problem and "task.classes" in told.advice


def test_choices_named_by_a_counter() -> None:
    numbers = itertools.count()

    class Numbered(Correct):
        def make_block(self, index: int) -> nn.Module:
            return Block(self.width, Choice(f"kernel{next(numbers)}", (1, 3)))

    told = found(space(Numbered))
    assert told.check == "builds" and "decision 'kernel2'" in told.place


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale if isinstance(x, SymbolicTensor) else x * self.scale.detach()


def test_a_parameter_that_no_gradient_reaches() -> None:
    class Stuck(Correct):
        def make_norm(self) -> nn.Module:
            return nn.Sequential(super().make_norm(), Detached())

    told = report(space(Stuck)).findings
    assert ("gradients", "norm.1.scale") in {(one.check, one.place) for one in told}


def test_a_module_whose_result_is_left_out_by_python() -> None:
    """`Optional` with a condition that is always true makes its choice matter nowhere."""

    class Always(Correct):
        def make_norm(self) -> nn.Module:
            when = Choice("when", (0, 1))
            return Optional(super().make_norm(), when >= 0)

    assert found(space(Always)).place == "decision 'when'"


def test_an_exception_is_a_finding_and_later_checks_are_skipped() -> None:
    class Broken(Correct):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not isinstance(x, SymbolicTensor):
                raise ZeroDivisionError("nothing is left")
            return super().forward(x)

    told = report(space(Broken))
    assert "ZeroDivisionError: nothing is left" in told.findings[0].problem
    assert "test_planted_faults.py" in told.findings[0].place
    assert any("it needs" in reason for reason in told.skipped.values())
    assert "to do" not in str(told).split("\n")[0].lower()
    assert told.to_json()["ok"] is False


def test_findings_can_be_repeated() -> None:
    class Same(Correct):
        def make_operator(self) -> nn.Module:
            return OperatorChoice(Choice("operator", (0, 1)), {0: nn.ReLU(), 1: nn.ReLU()})

    assert report(space(Same)) == report(space(Same))
