"""Transfer to a new device: few networks tell a device that is like known ones, and nothing is seen but what was measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import spearmanr

from nas.base.errors import NasError
from nas.costs import LatencyTable, TableTransfer, Transfer, compile_cost, devices, latency_terms, parse_key
from nas.supernet import Space, open_space

MakeTable = Callable[..., LatencyTable]


@pytest.fixture
def parts() -> np.ndarray:
    """What 600 architectures are made of: six slots, five operators."""
    drawn = np.random.default_rng(0).integers(0, 5, (600, 6))
    return np.stack([(drawn == operator).sum(1) for operator in range(5)], axis=1).astype(float)


def device(parts: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return parts @ np.exp(rng.normal(0, 1, parts.shape[1])) * np.exp(rng.normal()) + rng.uniform(0.5, 2)


def test_a_mixture_of_known_devices_is_found_exactly(parts: np.ndarray) -> None:
    known = np.stack([device(parts, seed) for seed in range(3)], axis=1)
    new = known @ [0.2, 3.0, 0.5]
    transfer = Transfer(known, parts)
    chosen = transfer.choose(known, parts, 10)
    found = transfer.fit(known[chosen], parts[chosen], new[chosen])
    np.testing.assert_allclose(found(known, parts), new, rtol=1e-2)


def test_a_device_unlike_the_known_ones_is_found_by_its_parts(parts: np.ndarray) -> None:
    known = np.stack([device(parts, seed) for seed in range(3)], axis=1)
    new = parts @ [9.0, 0.1, 0.1, 5.0, 0.1] + 1.0
    transfer = Transfer(known, parts)
    chosen = transfer.choose(known, parts, 10)
    found = transfer.fit(known[chosen], parts[chosen], new[chosen])
    assert spearmanr(found(known, parts), new).statistic > 0.99
    assert spearmanr(known.mean(axis=1), new).statistic < 0.9


def test_the_unit_of_time_does_not_matter(parts: np.ndarray) -> None:
    known = np.stack([device(parts, seed) for seed in range(3)], axis=1)
    new, rows = device(parts, 9), np.arange(8)
    once = Transfer(known, parts).fit(known[rows], parts[rows], new[rows])(known, parts)
    scaled = Transfer(known * 1000, parts).fit(known[rows] * 1000, parts[rows], new[rows] / 7)(known * 1000, parts)
    np.testing.assert_allclose(scaled * 7, once, rtol=1e-6)


def test_chosen_networks_differ_and_begin_with_the_most_telling(parts: np.ndarray) -> None:
    known = np.stack([device(parts, seed) for seed in range(3)], axis=1)
    transfer = Transfer(known, parts)
    chosen = transfer.choose(known, parts, 20)
    assert len(set(chosen.tolist())) == 20
    assert np.array_equal(transfer.choose(known, parts, 5), chosen[:5])
    assert len(transfer.choose(known[:7], parts[:7], 20)) == 7


def test_too_few_networks_are_refused(parts: np.ndarray) -> None:
    known = device(parts, 0)[:, None]
    with pytest.raises(NasError, match="at least 4 networks"):
        Transfer(known, parts).fit(known[:2], parts[:2], known[:2, 0])


def like_pixel(name: str, kernel: float, expand: float, scale: float) -> LatencyTable:
    """A made-up device: the Pixel 1 with other costs of large kernels and of wide blocks."""
    fields = devices()["pixel1"].model_dump(by_alias=True)
    operators = []
    for entry in fields["operators"]:
        attributes = parse_key(entry["key"]).attributes
        factor = scale * kernel ** (attributes["kernel"] == 5) * expand ** (attributes["expand"] == 6)
        operators.append(entry | {"ms": entry["ms"] * factor})
    groups = [group | {"ms": group["ms"] * scale} for group in fields["groups"]]
    return LatencyTable.model_validate(fields | {"name": name, "aliases": (), "operators": operators, "groups": groups})


def codes_of(space: Space, rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: rows[:, column].astype(np.int64) for name, column in space.decisions.column.items()}


def test_a_table_is_transferred_whole(mbconv: Space, mbconv_rows: np.ndarray) -> None:
    tables = [like_pixel("a", 1.5, 1.0, 2.0), like_pixel("b", 1.0, 0.6, 0.5), devices()["pixel1"]]
    new = like_pixel("new", 1.3, 0.8, 3.0)
    walk, codes, count = mbconv.walk(), codes_of(mbconv, mbconv_rows), len(mbconv_rows)
    truth = compile_cost(mbconv.decisions, latency_terms(walk, new))(mbconv_rows)
    transfer = TableTransfer(walk, tables, codes, count)
    counts = transfer.counts(codes, count)
    chosen = transfer.choose(counts, 10)
    found = transfer.fit(counts[chosen], truth[chosen])
    fields = new.model_dump(by_alias=True) | {"operators": [entry.model_dump() for entry in found.listed()], "groups": ()}
    estimated = LatencyTable.model_validate(fields)
    predicted = compile_cost(mbconv.decisions, latency_terms(walk, estimated))(mbconv_rows)
    np.testing.assert_allclose(predicted, counts @ [found.milliseconds[entry] for entry in transfer.entries], rtol=1e-9)
    errors = np.abs(predicted / truth - 1)
    assert errors.mean() < 0.01
    assert spearmanr(predicted, truth).statistic > 0.99
    assert np.abs(found.left_out / truth[chosen] - 1).mean() < 0.05
    assert all(entry.ms > 0 for entry in found.listed())


def test_sums_over_the_entries_of_a_known_table_are_its_latencies(mbconv: Space, mbconv_rows: np.ndarray) -> None:
    pixel, codes = devices()["pixel1"], codes_of(mbconv, mbconv_rows)
    transfer = TableTransfer(mbconv.walk(), [pixel], codes, len(mbconv_rows))
    entries = np.array([pixel.share(*entry) for entry in transfer.entries])
    counts = transfer.counts(codes, len(mbconv_rows))
    np.testing.assert_allclose(counts @ entries, mbconv.cost("pixel1-latency", mbconv_rows), rtol=1e-9)


def test_no_operator_comes_out_for_nothing(mbconv: Space, mbconv_rows: np.ndarray) -> None:
    tables = [devices()["pixel1"]]
    codes = codes_of(mbconv, mbconv_rows)
    transfer = TableTransfer(mbconv.walk(), tables, codes, len(mbconv_rows))
    counts = transfer.counts(codes, len(mbconv_rows))[:100]
    contrary = 150.0 - mbconv.cost("pixel1-latency", mbconv_rows)[:100]
    found = transfer.fit(counts, contrary)
    assert min(found.milliseconds.values()) > 0
    assert found.floored > 0


def test_linear_models_are_transferred_as_one() -> None:
    space = open_space("mbconv:fbnet-cifar")
    rows = space.decisions.sample(np.random.default_rng(0), 400)
    tables, new = [devices()[name] for name in ("raspi4", "eyeriss", "fpga")], devices()["pixel3"]
    walk, codes = space.walk(space.task_for(new)), codes_of(space, rows)
    truth = space.cost("pixel3-latency", rows)
    transfer = TableTransfer(walk, tables, codes, len(rows))
    counts = transfer.counts(codes, len(rows))
    chosen = transfer.choose(counts, 20)
    found = transfer.fit(counts[chosen], truth[chosen])
    assert found.constant is not None and new.constant is not None
    fields = new.model_dump(by_alias=True) | {
        "operators": [entry.model_dump() for entry in found.listed()],
        "constant": {"keys": new.constant.keys, "ms": found.constant},
    }
    predicted = compile_cost(space.decisions, latency_terms(walk, LatencyTable.model_validate(fields)))(rows)
    entries = np.array([*found.milliseconds.values(), found.constant])
    np.testing.assert_allclose(predicted, counts @ entries, rtol=1e-9)
    rest = np.setdiff1d(np.arange(len(rows)), chosen)
    assert spearmanr(predicted[rest], truth[rest]).statistic > 0.9
    assert np.abs(predicted[rest] / truth[rest] - 1).mean() < 0.05
