"""Estimates of operators that a table lacks: only when asked, near what they stand for, refused where nothing is known."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from nas.base.errors import NasError
from nas.costs import Estimator, LatencyTable, compile_cost, devices, lacking_keys, latency_terms, layers, parse_key, regressor
from nas.costs.regressor import LEAST, Regressor
from nas.supernet import Space

MakeTable = Callable[..., LatencyTable]


def conv(width: int, side: int, kernel: int, stride: int = 1, act: str = "relu") -> str:
    return f"conv {width}x{side}x{side}->{width}x{side // stride}x{side // stride} act={act} kernel={kernel} stride={stride}"


def truth(width: int, side: int, kernel: int) -> float:
    """A device that needs time for multiply-adds and for moving data."""
    return 1e-6 * (side * side * width * width * kernel * kernel) + 2e-5 * side * side * width + 0.01


GRID = list(itertools.product((8, 16, 24, 48), (8, 16, 32), (1, 3, 5)))


@pytest.fixture
def device(table: MakeTable) -> LatencyTable:
    return table({conv(*one): truth(*one) for one in GRID})


def test_estimates_are_near_what_they_stand_for(device: LatencyTable) -> None:
    estimator = Estimator(device)
    held = list(itertools.product((12, 20, 40), (8, 16, 32), (1, 3, 5)))
    found = estimator([conv(*one) for one in held])
    errors = np.abs(found / [truth(*one) for one in held] - 1)
    assert errors.max() < 0.1
    assert np.array_equal(Estimator(device)([conv(*one) for one in held]), found), "the same again"
    quality = estimator.quality(conv(*held[0])).quality
    assert quality is not None
    assert quality.operators == len(GRID)
    assert 0 < quality.error < 5 and quality.within_10 > 0.9 >= quality.within_5 - 0.1
    assert quality.unseen_error is not None and quality.unseen_error > 0


@pytest.mark.slow
def test_the_error_is_that_of_operators_that_were_left_out(table: MakeTable) -> None:
    rng = np.random.default_rng(0)
    noise = table({conv(*one): float(np.exp(rng.normal())) for one in GRID})
    quality = Estimator(noise).quality(conv(*GRID[0])).quality
    assert quality is not None
    assert quality.error > 30, "what has no pattern is not predicted, and the error says so"


def test_what_is_left_out_predicts_nothing() -> None:
    keys = [parse_key(conv(*one)) for one in GRID]
    values = np.array([truth(*one) for one in GRID])
    regressor = Regressor(keys, values)
    spoilt = values.copy()
    spoilt[0] *= 100
    groups = [index == 0 for index in range(len(GRID))]
    assert Regressor(keys, spoilt).held_out(groups)[0] == regressor.held_out(groups)[0]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (conv(8, 8, 3, act="hardswish"), "act=relu.*act=hardswish"),
        (conv(8, 8, 3, stride=2), "stride=1.*stride=2"),
        ("conv 8x8x8->8x8x8 kernel=3", "0 operators like"),
        ("linear 8->8", "0 operators like"),
        ("nonsense", "no operator key"),
    ],
)
def test_what_nothing_is_known_of_is_refused(device: LatencyTable, key: str, words: str) -> None:
    with pytest.raises(NasError, match=words):
        Estimator(device)([key])


def test_too_few_entries_are_refused_and_counted(table: MakeTable) -> None:
    few = table({conv(*one): truth(*one) for one in GRID[: LEAST - 1]})
    with pytest.raises(NasError, match=f"'toy' has {LEAST - 1} operators like.*{LEAST}"):
        Estimator(few)([conv(12, 8, 3)])
    assert [(kind.operators, kind.quality) for kind in Estimator(few).qualities()] == [(LEAST - 1, None)]


def test_entries_at_several_positions_are_one_operator(table: MakeTable) -> None:
    repeated = table([(conv(*one), place, truth(*one)) for one in GRID[: LEAST - 1] for place in ("here", "there")])
    assert Estimator(repeated).qualities()[0].operators == LEAST - 1


def without(entries: str) -> LatencyTable:
    """The Pixel 1 without the operators whose key contains a text."""
    pixel = devices()["pixel1"]
    fields = pixel.model_dump(by_alias=True)
    return LatencyTable.model_validate(
        fields | {"operators": [one for one in fields["operators"] if entries not in one["key"]]}
    )


def test_a_space_is_summed_with_estimates_only_when_asked(mbconv: Space, mbconv_rows: np.ndarray) -> None:
    partly = without("40x28x28->40x28x28 act=relu expand=6 kernel=5")
    with pytest.raises(NasError, match=r"lacks at least 1 operator .*--allow-estimates"):
        latency_terms(mbconv.walk(), partly)
    estimator = Estimator(partly)
    cost = compile_cost(mbconv.decisions, latency_terms(mbconv.walk(), partly, estimator))
    full = mbconv.cost("pixel1-latency", mbconv_rows)
    np.testing.assert_allclose(cost(mbconv_rows), full, rtol=0.02)
    codes = dict.fromkeys(mbconv.decisions.names, 0) | {"layer6": option(mbconv, "layer6", "k5e6")}
    lacking, count = lacking_keys(mbconv.walk(), partly, codes)
    assert len(lacking) == 1 and "kernel=5" in lacking[0] and "expand=6" in lacking[0]
    listed = layers(mbconv.walk(), codes, partly, estimator)
    assert [layer.path for layer in listed if layer.estimated] == ["layers.5.module"]
    assert count == len(listed)
    row = np.array([[codes[name] for name in mbconv.decisions.names]], dtype=np.uint8)
    total = sum(layer.milliseconds or 0.0 for layer in listed) + sum(group.ms for group in partly.groups)
    assert cost(row)[0] == pytest.approx(total, rel=1e-9)


def option(space: Space, name: str, wanted: str) -> int:
    return space.decisions.choices[space.decisions.column[name]].index(wanted)


def test_a_whole_table_is_not_estimated(mbconv: Space, mbconv_rows: np.ndarray) -> None:
    allowed = mbconv.with_estimates()
    assert np.array_equal(allowed.cost("pixel1-latency", mbconv_rows), mbconv.cost("pixel1-latency", mbconv_rows))


def test_the_weights_of_a_linear_model_are_no_base() -> None:
    with pytest.raises(NasError, match="linear model"):
        Estimator(devices()["pixel1-tunas"]).qualities()


def test_what_was_fitted_is_kept_as_arrays_and_fitted_anew_where_it_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_HOME", str(tmp_path))
    pixel = devices()["pixel1"]
    asked = ["mbconv 16x112x112->24x56x56 act=relu expand=4 kernel=3 residual=0 squeeze=0 stride=2"]
    once, qualities = Estimator(pixel)(asked), Estimator(pixel).qualities()
    (file,) = (tmp_path / "estimates").iterdir()
    kept = file.read_bytes()
    assert {array.dtype for array in load(kept).values()} == {np.dtype(np.float64)}

    def no_fit(*_: object) -> None:
        raise AssertionError("fitted again")

    with monkeypatch.context() as patched:
        patched.setattr(regressor, "fitted_covariance", no_fit)
        assert Estimator(pixel)(asked) == once
        assert Estimator(pixel).qualities() == qualities
    for damaged in (kept[:-5], b"", b"no arrays", save({name: array[:1] for name, array in load(kept).items()})):
        file.write_bytes(damaged)
        assert Estimator(pixel)(asked) == pytest.approx(once)
    fields = pixel.model_dump(by_alias=True)
    doubled = [entry | {"ms": 2 * entry["ms"]} for entry in fields["operators"]]
    slower = LatencyTable.model_validate(fields | {"operators": doubled})
    assert Estimator(slower)(asked) == pytest.approx(2 * once)
