"""Threads of numerical libraries."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any


def one_blas_thread() -> AbstractContextManager[Any]:
    """Inside, BLAS and LAPACK keep to one thread.

    A decomposition of a hundred rows takes a tenth of a millisecond on one thread, and many times that on several that wait
    for processors which torch's own threads still hold.
    """
    found: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return found


@cache
def _controller() -> Any:
    import scipy.linalg  # noqa: F401  # only libraries that are loaded by now are found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
