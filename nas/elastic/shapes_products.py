"""Shape rules of matrix products and attention."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from nas.base.errors import NasError
from nas.elastic.shapes import broadcast, owned
from nas.elastic.symbolic import SymbolicTensor, shape_rule, show


@shape_rule(torch.matmul, torch.bmm, torch.Tensor.matmul, torch.Tensor.bmm, torch.Tensor.__matmul__)
def _matmul(first: Any, second: Any) -> SymbolicTensor:
    """(..., N, K) and (..., K, M) -> (..., N, M); either may be an ordinary tensor."""
    tensors = tuple(operand for operand in (first, second) if isinstance(operand, SymbolicTensor))
    recorder = tensors[0].recorder
    if len(first.shape) < 2 or len(second.shape) < 2:
        raise NasError(f"{recorder.path}: matrix products of fewer than two dimensions are not covered; unsqueeze first")
    recorder.require_same((first.shape[-1],), (second.shape[-2],), "the inner sizes of a matrix product")
    batch = broadcast(recorder, tuple(first.shape[:-2]), tuple(second.shape[:-2]), "the leading sizes of a matrix product")
    parameters = owned(first, second)
    shape = (*batch, first.shape[-2], second.shape[-1])
    return recorder.record("matmul", tensors, shape, {"inner": first.shape[-1]}, parameters)


@shape_rule(F.scaled_dot_product_attention)
def _attention(
    query: SymbolicTensor, key: SymbolicTensor, value: SymbolicTensor, attn_mask: Any = None, *_: Any, **__: Any
) -> SymbolicTensor:
    """(B, H, Nq, dk), (B, H, Nk, dk), (B, H, Nk, dv) -> (B, H, Nq, dv)."""
    recorder = query.recorder
    if not len(query.shape) == len(key.shape) == len(value.shape):
        raise NasError(
            f"{recorder.path}: attention needs query, key and value of equally many dimensions; given {show(query.shape)}, "
            f"{show(key.shape)}, {show(value.shape)}"
        )
    recorder.require_same((query.shape[-1],), (key.shape[-1],), "the features of query and key")
    recorder.require_same(key.shape[:-1], value.shape[:-1], "the heads and positions of key and value")
    recorder.require_same(query.shape[:-2], key.shape[:-2], "the heads of query and key")
    read = [query, key, value, *([attn_mask] if isinstance(attn_mask, SymbolicTensor) else [])]
    return recorder.record("attention", tuple(read), (*query.shape[:-1], value.shape[-1]))
