"""BLAS keeps to one thread where it is asked to, and there alone."""

from __future__ import annotations

import numpy as np
import scipy.linalg  # noqa: F401  # has a BLAS of its own
from threadpoolctl import threadpool_info, threadpool_limits

from nas.architectures import Decisions, Encoding
from nas.base.threads import one_blas_thread
from nas.choices import Choice
from nas.predicting import make_predictor


def threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_one_thread_inside_and_as_many_as_before_outside() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        with one_blas_thread():
            assert threads() == {1}
        assert threads() == {2}


def test_a_predictor_learns_with_one_thread() -> None:
    space = Decisions([Choice(f"gene{index}", (0, 1, 2)) for index in range(4)])
    predictor = make_predictor("gp", Encoding(space), 0, {})
    seen: list[set[int]] = []
    learn = predictor.learn

    def watched(rows: np.ndarray, values: np.ndarray) -> None:
        seen.append(threads())
        learn(rows, values)

    predictor.learn = watched  # type: ignore[method-assign]
    rows = space.sample(np.random.default_rng(0), 20)
    with threadpool_limits(limits=2, user_api="blas"):
        predictor.fit(rows, rows.sum(axis=1).astype(float))
    assert seen == [{1}]
