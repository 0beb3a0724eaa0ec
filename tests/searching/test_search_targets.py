"""Targets as users write them."""

from __future__ import annotations

import numpy as np
import pytest

from nas.base.errors import NasError
from nas.searching import Target, parse_target
from nas.supernet import Space, Task


@pytest.mark.parametrize(
    ("text", "metric", "limit"),
    [
        ("macs<=300M", "macs", 300e6),
        ("macs=300M", "macs", 300e6),
        ("macs<300M", "macs", 300e6),
        ("macs==300M", "macs", 300e6),
        ("macs=<300M", "macs", 300e6),
        ("  macs  <=  300 M  ", "macs", 300e6),
        ("macs<=3e8", "macs", 3e8),
        ("params<=5.3M", "params", 5.3e6),
        ("params<=4000k", "params", 4e6),
        ("memory<=2MB", "memory", 2e6),
        ("memory<=2MiB", "memory", 2**21),
        ("pixel1-latency=80ms", "pixel1-latency", 80.0),
        ("pixel-latency=80ms", "pixel1-latency", 80.0),
        ("pixel-latency<=0.08s", "pixel1-latency", 80.0),
        ("pixel-latency <= 80000 us", "pixel1-latency", 80.0),
    ],
)
def test_a_target_is_read(mbconv: Space, text: str, metric: str, limit: float) -> None:
    target = parse_target(text, mbconv)
    assert target.metric == metric
    assert target.limit == pytest.approx(limit)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a target; write METRIC=LIMIT"),
        ("macs", "is not a target; write METRIC=LIMIT"),
        ("macs<=", "'macs<=' is not a target"),
        ("=5M", "is not a target"),
        ("my macs<=5M", "is not a target"),
        ("macs>=300M", r"upper limit.*write macs<=300M"),
        ("macs>300M", r"upper limit.*write macs<=300M"),
        ("mac<=300M", r"unknown target 'mac'; legal: .*macs.*params.*memory.*pixel1-latency.*mean 'macs'"),
        ("pixle-latency<=80ms", r"pixle.*pixel"),
        ("flops<=300M", r"unknown target 'flops'; legal: .*macs"),
        ("macs<=300ms", r"unknown unit of count 'ms'; legal: k"),
        ("macs<=lots", "'lots' is not a count"),
        ("macs<=-5M", "'-5M' is not a count"),
        ("macs=>5M", "'macs=>5M' is not a target"),
        ("pixel-latency<=80", r"unknown unit of latency '\(none\)'; legal: ms, s"),
        ("pixel-latency<=80M", r"unknown unit of latency 'M'; legal: ms, s"),
        ("memory<=2", r"unknown unit of memory '\(none\)'; legal: B, kB"),
        ("macs<=0", r"must be above 0; given: macs<=0"),
        ("pixel-latency<=0ms", r"must be above 0"),
    ],
)
def test_what_is_no_target_is_explained(mbconv: Space, text: str, message: str) -> None:
    with pytest.raises(NasError, match=message):
        parse_target(text, mbconv)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pixel-latency=80ms", "pixel1-latency <= 80.00 ms"),
        ("macs<300M", "macs <= 300.0 M"),
        ("memory=2MB", "memory <= 2.00 MB"),
    ],
)
def test_a_target_is_printed_in_full_and_reads_back(mbconv: Space, text: str, shown: str) -> None:
    target = parse_target(text, mbconv)
    assert str(target) == shown
    assert parse_target(shown, mbconv) == target


def test_a_bound_keeps_what_costs_at_most_the_limit(mbconv: Space, mbconv_rows: np.ndarray) -> None:
    macs = mbconv.cost("macs", mbconv_rows)
    limit = float(np.sort(macs)[100])
    bound = Target("macs", limit, mbconv.metrics()["macs"]).bound(mbconv, None)
    np.testing.assert_array_equal(bound.keeps(mbconv_rows), macs <= limit)
    assert bound.keeps(mbconv_rows).sum() >= 101
    assert bound.metric == "macs"
    assert bound.show(301.4e6) == "301.4 M"


def test_counts_are_taken_at_the_deployment_task(mbconv: Space, mbconv_rows: np.ndarray) -> None:
    target = parse_target("macs<=300M", mbconv)
    small = target.bound(mbconv, Task(3, 32, 10)).measure(mbconv_rows)
    np.testing.assert_array_equal(small, mbconv.cost("macs", mbconv_rows, Task(3, 32, 10)))
    assert (small < target.bound(mbconv, None).measure(mbconv_rows)).all()


def test_several_targets_bound_together(mbconv: Space, mbconv_rows: np.ndarray) -> None:
    from nas.searching import Problem

    texts = ("macs<=300M", "pixel-latency<=80ms", "params<=4M")
    bounds = [parse_target(text, mbconv).bound(mbconv, None) for text in texts]
    legal = Problem(mbconv.decisions, bounds).legal(mbconv_rows)
    expected = (
        (mbconv.cost("macs", mbconv_rows) <= 300e6)
        & (mbconv.cost("pixel1-latency", mbconv_rows) <= 80)
        & (mbconv.cost("params", mbconv_rows) <= 4e6)
    )
    np.testing.assert_array_equal(legal, expected)
    assert 0 < legal.sum() < len(legal)
