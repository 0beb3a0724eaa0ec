"""Checks of costs: multiply-adds by fvcore, parameters by counting those of the extracted network."""

from __future__ import annotations

import importlib.util
import logging
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from nas.base.errors import NasError
from nas.checking.examination import Examination
from nas.checking.report import Finding
from nas.choices import evaluate
from nas.costs.counts import FREE, MACS

COUNTED = ("conv", "linear", "matmul", "mm", "addmm", "bmm", "baddbmm", "einsum", "attention")
"""Operators with multiply-adds, under fvcore's names."""


def require_fvcore() -> None:
    """Raise NasError where the optional library is missing."""
    if importlib.util.find_spec("fvcore") is None:
        raise NasError("checking a space needs fvcore, which counts operations: pip install 'nas-toolkit[check]'")


def _attention(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    """Two products: of query (B, H, N, dk) with key (B, H, M, dk), and of the result with value (B, H, M, dv)."""
    query, key, value = (item.type().sizes() for item in inputs[:3])
    return Counter({"attention": math.prod(query[:-1]) * key[-2] * (key[-1] + value[-1])})


def _matmul(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    """(..., N, K) times (..., K, M), leading sizes broadcast."""
    return Counter({"matmul": math.prod(outputs[0].type().sizes()) * inputs[0].type().sizes()[-1]})


def _baddbmm(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    """A sum and a batched product (B, N, K) times (B, K, M)."""
    return Counter({"baddbmm": math.prod(outputs[0].type().sizes()) * inputs[1].type().sizes()[-1]})


HANDLERS: dict[str, Callable[..., Counter[str]]] = {
    "aten::scaled_dot_product_attention": _attention,
    "aten::matmul": _matmul,
    "aten::baddbmm": _baddbmm,
}


def fvcore_macs(network: nn.Module, images: torch.Tensor) -> dict[str, int]:
    """Multiply-adds of convolutions, linear layers and products by module path, without those of its sub-modules.

    The whole network's are under ''.
    """
    from fvcore.nn import FlopCountAnalysis

    logging.getLogger("fvcore").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        analysis = FlopCountAnalysis(network, images).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analysis.tracer_warnings("none")
        analysis.set_op_handle(**HANDLERS)
        found = analysis.by_module_and_operator()
    totals = {path: int(sum(counts[kind] for kind in COUNTED)) for path, counts in found.items()}
    own = dict(totals)
    for path, total in totals.items():
        if path:
            own[path.rpartition(".")[0]] -= total
    own[""] = totals[""]
    return own


def counts(examination: Examination) -> Iterator[Finding]:
    """Multiply-adds and parameters of each network are those that an independent count finds."""
    space, task = examination.space, examination.task
    compiled = {metric: space.compiled(metric, task)(examination.rows) for metric in ("macs", "params")}
    told: set[str] = set()
    for index, row in enumerate(examination.rows):
        network = examination.extracted(row)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        if compiled["params"][index] != parameters and "params" not in told:
            told.add("params")
            yield Finding(
                "counts",
                _parameter_place(examination, row, network),
                f"the network has {parameters:,} parameters, and {compiled['params'][index]:,.0f} are counted "
                f"({examination.name(row)})",
                "keep learned tensors in elastic or torch layers, or in nas.elastic.ElasticParameter; in a shape rule of one's "
                "own, give recorder.record the parameters",
            )
        macs = fvcore_macs(network, examination.images[:1])[""]
        if compiled["macs"][index] != macs and "macs" not in told:
            told.add("macs")
            yield Finding(
                "counts",
                _macs_place(examination, row),
                f"the network takes {macs:,} multiply-adds by fvcore, and {compiled['macs'][index]:,.0f} are counted "
                f"({examination.name(row)})",
                "record the operator in its shape rule under a kind whose multiply-adds are counted (conv2d, linear, matmul, "
                "attention), with the shapes it works on",
            )


def _ours(examination: Examination, row: np.ndarray) -> tuple[Counter[str], Counter[str]]:
    """Multiply-adds and parameters by module path, as the space counts them."""
    codes = {name: int(code) for name, code in zip(examination.space.decisions.names, row, strict=True)}
    macs: Counter[str] = Counter()
    parameters: Counter[str] = Counter()
    for operator in examination.space.walk(examination.task).operators:
        if not bool(evaluate(operator.guard, codes)):
            continue
        if operator.kind not in FREE:
            macs[operator.path] += int(evaluate(MACS[operator.kind](operator), codes))
        parameters[operator.path] += int(evaluate(operator.parameters, codes))
    return macs, parameters


def _parameter_place(examination: Examination, row: np.ndarray, network: nn.Module) -> str:
    if examination.separate:
        return "the network"
    _, ours = _ours(examination, row)
    theirs: Counter[str] = Counter()
    for name, parameter in network.named_parameters():
        theirs[name.rpartition(".")[0]] += parameter.numel()
    # What a layer owns may be recorded where it is used: a place is blamed only together with all that is inside it.
    wrong = [path for path in {*ours, *theirs} if _inside(ours, path) != _inside(theirs, path)]
    return max(wrong, key=lambda path: path.count(".") + bool(path), default="") or "the network"


def _inside(counted: Counter[str], path: str) -> int:
    return sum(count for place, count in counted.items() if not path or place == path or place.startswith(f"{path}."))


def _macs_place(examination: Examination, row: np.ndarray) -> str:
    """The module whose own operators are counted wrongly, from a count of the supernet's active sub-network."""
    if examination.separate:
        return "the network"
    ours, _ = _ours(examination, row)
    with examination.active(row) as network:
        theirs = fvcore_macs(network, examination.images[:1])
    theirs[""] -= sum(count for path, count in theirs.items() if path)
    wrong = [path for path in {*ours, *theirs} if ours[path] != theirs.get(path, 0)]
    return min(wrong, key=lambda path: (path == "", path), default="") or "the network's own forward"
