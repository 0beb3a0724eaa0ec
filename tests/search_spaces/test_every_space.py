"""What every search relies on, for every installed preset: the checks of `nas spaces check`, and a short search."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nas.checking import CHECKS, Check, Examination, make
from nas.cli.app import app
from nas.supernet import open_space, space_names

NAMES = space_names()

ALWAYS = ("builds", "choices", "canonical", "closed", "reachable", "known", "norms", "exact", "counts")
"""Checks that the quick tests make for every preset; the slow ones make all."""

SIBLINGS = (
    *(
        "hytra:bossnas",
        "hytra:bossnet",
        "mbconv:fbnet-cifar",
        "mbconv:ofa-proxyless",
        "mbconv:ofa-w1.2",
        "mbconv:proxyless-w24",
    ),
    *("vit:autoformer-b", "vit:autoformer-s"),
    *("vit:resnas-medium", "vit:resnas-small", "vit:s3-b", "vit:s3-s"),
)
"""Presets that differ from another one in figures alone, which the tests of their family hold them to: the slow tests check
them too."""

EXPORTED = ("cells:nats-size", "einspace:einspace", "mbconv:single-path")
"""The quickest preset of each family to export, which alone takes 2 to 6 s; others take up to a minute, and so do those of
`hytra`. Narrow transformers leave in `test_vit_networks.py`."""


@lru_cache(maxsize=1)
def quick(name: str) -> Examination:
    """Two random architectures; tests of one preset follow each other and share its supernet."""
    return Examination(open_space(name), count=2, onnx=1, forwards=6)


@lru_cache(maxsize=1)
def thorough(name: str) -> Examination:
    """Fifty architectures, among them the smallest and the largest."""
    return Examination(open_space(name), count=50, seed=1, onnx=5, forwards=2000)


def require(check: Check, examination: Examination) -> None:
    """The check finds nothing."""
    if check.shared and examination.separate:
        pytest.skip("the networks of this space share no weights")
    assert make(check, examination) == []


def quick_tests() -> Iterator[Any]:
    """Every check for the default preset of each family, for the others those that say most for their time, and one export
    for each family."""
    families: set[str] = set()
    for name in NAMES:
        if name in SIBLINGS:
            continue
        family = name.partition(":")[0]
        for check in CHECKS:
            exported = check.name == "onnx" and name in EXPORTED
            if exported or check.name in ALWAYS or (family not in families and check.name != "onnx"):
                yield pytest.param(name, check, id=f"{name}-{check.name.replace(' ', '-')}")
        families.add(family)


@pytest.mark.parametrize(("name", "check"), list(quick_tests()))
def test_two_architectures(name: str, check: Check) -> None:
    require(check, quick(name))


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name.replace(" ", "-"))
@pytest.mark.parametrize("name", NAMES)
def test_fifty_architectures(name: str, check: Check) -> None:
    require(check, thorough(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_short_search_from_the_command_line(name: str, tmp_path: Path) -> None:
    budget = ["--steps", "2", "--evaluations", "2", "--validation-images", "16", "--calibration-images", "8"]
    given = ["search", "--space", name, *budget, "--set", "batch_size=4", "--out", str(tmp_path / "run"), "--json"]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures["space"] == open_space(name).name
    assert figures["onnx"]["agrees"]
    assert (tmp_path / "run" / "model.onnx").exists()
