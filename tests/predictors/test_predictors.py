"""What every predictor promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cell_worth import worth

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.plugins import installed
from nas.choices import Choice
from nas.predicting import Encoding, Predictor, load_predictor, make_predictor, open_predictor
from nas.supernet import open_space

QUICK: dict[str, dict[str, Any]] = {
    "autobuild": {"steps": 120, "rate": 3e-3, "batch": 32},
    "gcn": {"steps": 60, "hidden": 32, "rate": 3e-3},
    "gin": {"epochs": 60},
    "gp": {},
    "mlp": {"epochs": 150, "hidden": 64},
    "mlp-ensemble": {"epochs": 60, "layers": 3, "members": 3},
    "ridge-svr": {"largest": 5},
    "trees": {"bags": 4, "trees": 40},
}
"""Options with which a test takes no second."""

NAMES = sorted(installed("predictors"))


@pytest.fixture(scope="module")
def encoding() -> Encoding:
    """Of NAS-Bench-201."""
    return open_space("cells:nas-bench-201").encoding


@pytest.fixture(scope="module")
def cells(encoding: Encoding) -> Rows:
    """120 different cells."""
    drawn = encoding.decisions.sample(np.random.default_rng(3), 400)
    _, first = np.unique(drawn, axis=0, return_index=True)
    return np.asfortranarray(drawn[np.sort(first)][:120])


Fitted = Callable[[str], Predictor]


@pytest.fixture(scope="module")
def fitted(encoding: Encoding, cells: Rows) -> Fitted:
    """A predictor fitted to the first 80 cells, once for each name."""
    made: dict[str, Predictor] = {}

    def get(name: str) -> Predictor:
        if name not in made:
            made[name] = make_predictor(name, encoding, 0, QUICK.get(name))
            made[name].fit(cells[:80], worth(cells[:80]))
        return made[name]

    return get


@pytest.mark.parametrize("name", NAMES)
def test_it_ranks_what_it_has_not_seen(name: str, fitted: Fitted, cells: Rows) -> None:
    found = fitted(name).score(cells[80:], worth(cells[80:]))
    assert found.kendall_tau > 0.3
    assert found.count == 40
    assert found.rmse > 0


@pytest.mark.parametrize("name", NAMES)
def test_means_and_deviations_are_finite_for_each_row_alone(name: str, fitted: Fitted, cells: Rows) -> None:
    predictor = fitted(name)
    mean, deviation = predictor.predict(cells[80:])
    assert mean.shape == deviation.shape == (40,)
    assert np.isfinite(mean).all()
    assert (deviation > 0).all()
    assert np.ptp(mean) > 1
    for row in (0, 7):
        alone = predictor.predict(cells[80 + row : 81 + row])
        np.testing.assert_allclose([part[0] for part in alone], [mean[row], deviation[row]], rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_gives_the_same_predictions_again(
    name: str, fitted: Fitted, cells: Rows, encoding: Encoding, tmp_path: Path
) -> None:
    predictor, path = fitted(name), tmp_path / "predictor.safetensors"
    predictor.save(path)
    loaded = load_predictor(path, encoding)
    assert type(loaded) is type(predictor)
    for found, before in zip(loaded.predict(cells), predictor.predict(cells), strict=True):
        np.testing.assert_allclose(found, before, rtol=1e-6)


@pytest.mark.parametrize("name", ["gcn", "gp", "mlp", "mlp-ensemble", "trees"])
def test_the_same_seed_gives_the_same_predictor(name: str, encoding: Encoding, cells: Rows) -> None:
    found = []
    for seed in (1, 1, 2):
        np.random.default_rng().random()
        predictor = make_predictor(name, encoding, seed, {**QUICK[name], **SHORT[name]})
        predictor.fit(cells[:30], worth(cells[:30]))
        found.append(predictor.predict(cells[80:])[1])
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


SHORT: dict[str, dict[str, Any]] = {
    "gcn": {"steps": 10},
    "gin": {"epochs": 10},
    "ridge-svr": {},
    "gp": {"iterations": 10},
    "mlp": {"epochs": 10},
    "mlp-ensemble": {"epochs": 10},
    "trees": {"trees": 10},
}


@pytest.mark.parametrize("name", NAMES)
def test_constant_values_are_predicted(name: str, encoding: Encoding, cells: Rows) -> None:
    predictor = make_predictor(name, encoding, 0, {**QUICK.get(name, {}), **SHORT.get(name, {"steps": 10})})
    predictor.fit(cells[:12], np.full(12, 50.0))
    mean, deviation = predictor.predict(cells[20:30])
    assert np.isfinite(mean).all()
    assert np.isfinite(deviation).all()
    assert np.abs(mean - 50).max() < 25


@pytest.mark.parametrize("name", NAMES)
def test_five_values_are_enough(name: str, encoding: Encoding, cells: Rows) -> None:
    predictor = make_predictor(name, encoding, 0, {**QUICK.get(name, {}), **SHORT.get(name, {"steps": 10})})
    predictor.fit(cells[:5], worth(cells[:5]))
    assert np.isfinite(predictor.predict(cells[:9])).all()


def test_it_says_what_is_wrong_with_the_data(encoding: Encoding, cells: Rows) -> None:
    predictor = make_predictor("gp", encoding)
    with pytest.raises(NasError, match="learned nothing yet"):
        predictor.predict(cells)
    with pytest.raises(NasError, match="learned nothing yet"):
        predictor.save("never.safetensors")
    with pytest.raises(NasError, match="at least 5"):
        predictor.fit(cells[:4], np.arange(4))
    with pytest.raises(NasError, match="6 architectures need as many values"):
        predictor.fit(cells[:6], np.arange(5))
    with pytest.raises(NasError, match="value 2 is not finite"):
        predictor.fit(cells[:6], [1, 2, -np.inf, 4, 5, 6])
    predictor.fit(cells[:6], np.arange(6))
    assert [part.shape for part in predictor.predict(cells[:0])] == [(0,), (0,)]


def test_unknown_names_and_options() -> None:
    with pytest.raises(NasError, match=r"unknown predictor 'xgb'; legal: .*gp"):
        open_predictor("xgb")
    encoding = open_space("cells:nas-bench-201").encoding
    with pytest.raises(NasError, match=r"unknown option of predictor 'gp' 'kernels'; legal: kernel.*Did you mean 'kernel'"):
        make_predictor("gp", encoding, 0, {"kernels": "rbf"})
    with pytest.raises(NasError, match="option 'trees' of predictor 'trees' is a int, by default 100; given 'many'"):
        make_predictor("trees", encoding, 0, {"trees": "many"})
    with pytest.raises(NasError, match="unknown kernel 'linear'"):
        make_predictor("gp", encoding, 0, {"kernel": "linear"})
    assert make_predictor("trees", encoding, 0, {"trees": "7", "rate": "1"}).options() != {}


def test_files_of_others_are_refused(fitted: Fitted, encoding: Encoding, tmp_path: Path) -> None:
    path = tmp_path / "predictor.safetensors"
    fitted("gp").save(path)
    with pytest.raises(NasError, match=r"holds a predictors[.]gp:GaussianProcess"):
        open_predictor("trees").load(path, encoding)
    with pytest.raises(NasError, match="another space, or with another encoding"):
        open_predictor("gp").load(path, open_space("cells:nats-size").encoding)
    with pytest.raises(NasError, match="another space, or with another encoding"):
        load_predictor(path, encoding.variant("one-hot"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(NasError, match="truncated"):
        load_predictor(path, encoding)
    with pytest.raises(NasError, match="does not exist"):
        load_predictor(tmp_path / "none.safetensors", encoding)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("mlp", "rate", "-1"),
        ("mlp-ensemble", "rate", "0"),
        ("gin", "decay", "-1"),
        ("gcn", "dropout", "2"),
        ("trees", "rate", "0"),
        ("autobuild", "decay", "-0.5"),
    ],
)
def test_a_rate_that_nothing_learns_with_is_refused_before_the_fit(name: str, option: str, value: str) -> None:
    with pytest.raises(NasError, match=f"predictor '{name}' needs a rate above 0.*{option}={value}"):
        make_predictor(name, Encoding(Decisions([Choice("a", (0, 1))])), 0, {option: value})
