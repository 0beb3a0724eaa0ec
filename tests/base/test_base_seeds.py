"""Streams of random numbers: named, reproducible on every machine, and independent."""

from __future__ import annotations

import numpy as np

from nas.base.seeds import generator, integer_seed


def test_the_same_name_gives_the_same_numbers() -> None:
    np.testing.assert_array_equal(generator(7, "data", 3).random(100), generator(7, "data", 3).random(100))


def test_every_other_seed_name_and_position_gives_other_numbers() -> None:
    streams = [(7, "data", 3), (8, "data", 3), (7, "search", 3), (7, "data", 4), (7, "data"), (7, 3, "data"), (7,)]
    drawn = [tuple(generator(*stream).random(4)) for stream in streams]
    assert len(set(drawn)) == len(streams)


def test_two_streams_are_uncorrelated() -> None:
    first, second = generator(0, "data", 0).standard_normal(20_000), generator(0, "data", 1).standard_normal(20_000)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03


def test_the_numbers_are_those_of_every_version() -> None:
    """Golden values: a change here breaks the resumption and repetition of every run made before."""
    assert generator(42, "architectures", 5).random(3).tolist() == [
        0.5646491775471087,
        0.08873188482223537,
        0.7308682944521289,
    ]
    assert integer_seed(42, "dropout", 5) == 4191896061137378727


def test_integer_seeds_fit_63_bits_and_differ() -> None:
    drawn = [integer_seed(0, "dropout", step) for step in range(1000)]
    assert len(set(drawn)) == 1000
    assert all(0 <= value < 2**63 for value in drawn)


def test_numpy_integers_name_the_same_stream_as_python_s() -> None:
    assert integer_seed(np.int64(5), "x", np.int64(2)) == integer_seed(5, "x", 2)  # type: ignore[arg-type]
