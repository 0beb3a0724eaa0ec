"""What is installed, for people and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from pydantic import Field
from typer.testing import CliRunner

from nas.base.plugins import installed
from nas.cli.app import app
from nas.training import Recipe, Trainer, describe_trainer, open_trainer
from nas.training.trainers.uniform import Uniform


@pytest.mark.parametrize("kind", ["spaces", "trainers", "strategies", "devices"])
def test_listings(kind: str) -> None:
    shown = CliRunner().invoke(app, [kind])
    assert shown.exit_code == 0
    listed = json.loads(CliRunner().invoke(app, [kind, "--json"]).stdout)[kind]
    assert listed
    assert all(row["name"] in shown.stdout for row in listed)


def test_one_device_by_its_alias() -> None:
    shown = CliRunner().invoke(app, ["devices", "pixel"]).stdout
    for needle in ("Google Pixel 1", "Apache-2.0", "224 px", "mbconv:single-path", "4.4905", "19.5999"):
        assert needle in shown
    table = json.loads(CliRunner().invoke(app, ["devices", "pixel", "--json"]).stdout)
    assert table["name"] == "pixel1"
    assert table["complete_for"] == ["mbconv:single-path"]


def test_unknown_device() -> None:
    result = CliRunner().invoke(app, ["devices", "pixle"])
    assert result.exit_code == 2
    assert "Did you mean 'pixel'" in result.stderr


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys\n"
        "from nas.cli.app import app\n"
        "heavy = {'torch', 'optuna', 'onnx', 'onnxruntime', 'sklearn', 'pyarrow', 'numpy', 'PIL'} & set(sys.modules)\n"
        "sys.exit(f'imported at the top: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_one_trainer_with_every_figure_and_where_it_is_from() -> None:
    described = json.loads(CliRunner().invoke(app, ["trainers", "uniform", "--json"]).stdout)
    assert described["name"] == "uniform"
    assert "Single Path One-Shot" in described["source"]
    assert described["summary"]
    figures = {figure["name"]: figure for figure in described["figures"]}
    assert {name: figure["default"] for name, figure in figures.items()} == Uniform.defaults.model_dump(mode="json")
    assert figures["learning_rate"]["origin"] == "paper"
    assert figures["clip_norm"]["origin"] == "ours"
    assert figures["optimiser"]["legal"] == ["sgd", "rmsprop", "adamw", "lars"]
    shown = CliRunner().invoke(app, ["trainers", "uniform"]).stdout
    for needle in (*figures, "Single Path One-Shot", "paper", "ours", "of SGD, RMSProp and LARS", "none", "4e-05"):
        assert needle in shown


@pytest.mark.parametrize("name", installed("trainers"))
def test_every_trainer_says_where_its_figures_are_from_and_what_they_mean(name: str) -> None:
    trainer = open_trainer(name)
    described = describe_trainer(name, trainer)
    assert described["summary"]
    assert described["source"]
    for figure in described["figures"]:
        assert figure["meaning"], figure["name"]
        assert figure["origin"], figure["name"]
    names = {figure["name"] for figure in described["figures"]}
    assert set(trainer.origins) <= names, "origins name figures of the recipe"
    assert any(figure["origin"] != "ours" for figure in described["figures"])


def test_figures_that_a_trainer_adds_are_its_paper_s_unless_it_says_otherwise() -> None:
    class Added(Recipe):
        samples: int = Field(2, description="sub-networks a step")
        patience: int = Field(3, description="steps")

    class Own(Trainer):
        defaults = Added(momentum=0.5, epochs=7)
        summary, source, origins = "own", "Somebody, 2020", {"patience": "ours", "epochs": "the released code"}

    origins = {figure["name"]: figure["origin"] for figure in describe_trainer("own", Own())["figures"]}
    assert origins["samples"] == "paper"
    assert origins["momentum"] == "paper"
    assert origins["patience"] == "ours"
    assert origins["epochs"] == "the released code"
    assert origins["learning_rate"] == "ours"


@pytest.mark.parametrize(("name", "parent"), [("rc-darts", "darts"), ("flops-binned", "uniform"), ("alphanet", "attentive")])
def test_a_figure_that_a_trainer_takes_from_another_is_from_where_the_other_has_it(name: str, parent: str) -> None:
    child, its = open_trainer(name), open_trainer(parent)
    origins, expected = (
        {figure["name"]: figure["origin"] for figure in describe_trainer("any", trainer)["figures"]} for trainer in (child, its)
    )
    changed = {name for name in expected if getattr(child.defaults, name) != getattr(its.defaults, name)}
    inherited = expected.keys() - changed - child.origins.keys() - its.origins.keys()
    assert {name: origins[name] for name in inherited} == {name: expected[name] for name in inherited}
    assert "ours" in {expected[name] for name in inherited}


def test_unknown_trainer() -> None:
    result = CliRunner().invoke(app, ["trainers", "unifrom"])
    assert result.exit_code == 2
    assert "Did you mean 'uniform'" in result.stderr


def test_one_strategy_with_every_option_and_where_its_default_is_from() -> None:
    described = json.loads(CliRunner().invoke(app, ["strategies", "aging", "--json"]).stdout)
    assert "Regularized Evolution" in described["source"]
    figures = {figure["name"]: figure for figure in described["figures"]}
    assert {name: figure["default"] for name, figure in figures.items()} == {"population": 50, "sample": 10}
    assert figures["population"]["origin"] == "the authors' example for NAS-Bench-101"
    shown = CliRunner().invoke(app, ["strategies", "nsga2"]).stdout
    for needle in ("NSGA-Net", "crossover", "0.9", "mutation", "none", "--strategy-set OPTION=VALUE"):
        assert needle in shown


def test_samplers_of_optuna_are_listed_by_name() -> None:
    listed = json.loads(CliRunner().invoke(app, ["strategies", "--json"]).stdout)["strategies"]
    assert {"optuna", "optuna:tpe", "optuna:gp", "optuna:nsga2"} <= {row["name"] for row in listed}
    result = CliRunner().invoke(app, ["strategies", "optuna:tpp"])
    assert result.exit_code == 2
    assert "Did you mean 'optuna:tpe'" in result.stderr
