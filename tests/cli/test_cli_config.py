"""Options from a TOML file: the same as typed, behind what is typed; every mistake in it is told with the file and the key."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import nas.jobs
from nas.cli.app import app
from nas.cli.config import as_toml
from nas.cli.config_file import NAMES_OR_PATHS, PATHS, parameters_of
from nas.cli.configured import Configured
from nas.runs import RunConfig
from nas.runs.manifest import Manifest, new_manifest, write_manifest

SEARCH = """
space = "cells:nats-size"
seed = 7

[search]
target = ["macs<=300M", "params<=5M"]
evaluations = 12
strategy-set = { population = 20, mutation = 0.2 }
allow_estimates = true

[train]
trainer = "sandwich"
set = ["learning_rate=0.1"]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(SEARCH)
    return tmp_path


def shown(*words: str) -> dict[str, tuple[object, str]]:
    result = CliRunner().invoke(app, ["config", "show", "--json", *words])
    assert result.exit_code == 0, result.output + result.stderr
    return {name: (entry["value"], entry["from"]) for name, entry in json.loads(result.stdout)["options"].items()}


def refused(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr and len(result.stderr.strip().splitlines()) == 1
    return result.stderr


def test_each_value_has_an_origin() -> None:
    found = shown("search", "config.toml", "--seed", "3")
    assert found["seed"] == (3, "command line")
    assert found["space"] == ("cells:nats-size", "config.toml")
    assert found["target"] == (["macs<=300M", "params<=5M"], "config.toml")
    assert found["strategy-set"] == (["population=20", "mutation=0.2"], "config.toml")
    assert found["allow-estimates"] == (True, "config.toml")
    assert found["trainer"] == ("uniform", "default")
    trained = shown("train", "config.toml")
    assert trained["trainer"] == ("sandwich", "config.toml") and trained["seed"] == (7, "config.toml")
    assert trained["set"] == (["learning_rate=0.1"], "config.toml")
    assert {"config", "json", "help"}.isdisjoint(found)


def test_what_is_typed_takes_the_place_of_a_list() -> None:
    assert shown("search", "config.toml", "--target", "macs<=1M")["target"] == (["macs<=1M"], "command line")


def test_without_a_file_there_are_defaults_and_what_is_typed() -> None:
    found = shown("measure", "--threads", "2")
    assert found["threads"] == (2, "command line")
    assert found["runtime"] == ("onnxruntime", "default")


def test_what_is_shown_is_a_file_that_says_the_same(folder: Path) -> None:
    printed = CliRunner().invoke(app, ["config", "show", "search", "config.toml", "--seed", "3"])
    (folder / "again.toml").write_text(printed.stdout)
    before, again = shown("search", "config.toml", "--seed", "3"), shown("search", "again.toml")
    assert {name: value for name, (value, _) in again.items()} == {name: value for name, (value, _) in before.items()}
    assert "seed = 3" in printed.stdout and "# command line" in printed.stdout


def test_a_command_does_what_its_file_says(folder: Path) -> None:
    (folder / "config.toml").write_text('[trainers]\nname = "sandwich"')
    found, typed = (
        CliRunner().invoke(app, ["trainers", *words, "--json"]) for words in (["--config", "config.toml"], ["sandwich"])
    )
    assert found.exit_code == 0 and found.stdout == typed.stdout and "BigNAS" in found.stdout


def test_commands_with_words_take_the_file_as_an_option(folder: Path) -> None:
    (folder / "config.toml").write_text('[export]\nrun = "nowhere"\nout = "there"\n[devices.remove]\nname = "x"')
    found = shown("export", "--config", "config.toml")
    assert found["run"] == ("nowhere", "config.toml") and found["out"] == ("there", "config.toml")
    assert "run not found: nowhere" in refused("export", "--config", "config.toml")
    assert shown("devices", "remove", "--config", "config.toml")["name"] == ("x", "config.toml")
    assert shown("export", "elsewhere", "--config", "config.toml")["run"] == ("elsewhere", "command line")


def test_paths_begin_at_the_folder_of_the_file(folder: Path) -> None:
    jobs = folder / "jobs"
    jobs.mkdir()
    (jobs / "a.toml").write_text('space = "net.py:Net"\ndata = "photos"\n[search]\nsupernet = "/runs/a"\nout = "o"')
    found = shown("search", "jobs/a.toml")
    assert found["data"] == ("jobs/photos", "jobs/a.toml")
    assert found["space"][0] == "jobs/net.py:Net"
    assert found["supernet"][0] == "/runs/a"
    assert found["out"][0] == "jobs/o"
    (jobs / "a.toml").write_text('table = ["a.csv:top1", "b.csv"]')
    (jobs / "w.json").touch()
    assert shown("bench", "jobs/a.toml")["table"][0] == ["jobs/a.csv:top1", "jobs/b.csv"]
    (jobs / "a.toml").write_text('arch = "w.json"')
    assert shown("retrain", "r", "--config", "jobs/a.toml")["arch"][0] == "jobs/w.json"
    (jobs / "a.toml").write_text('space = "mbconv"\ndata = "digits"\n[search]\nstrategy = "random"\ntarget = ""')
    (jobs / "random").mkdir()
    found = shown("search", "jobs/a.toml")
    assert [found[name][0] for name in ("space", "data", "strategy", "target")] == ["mbconv", "digits", "random", [""]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("sed = 3", "Did you mean 'seed'?"),
        ("[serch]\nseed = 3", "unknown table of config.toml 'serch'; legal: "),
        ("[search]\nsteps_ = 3", "unknown key of config.toml 'steps_'"),
        ("[search]\nrounds = 3", "unknown key of config.toml 'rounds'"),
        ("[train]\nepoch = 3", "unknown key of [train] of config.toml 'epoch'"),
        ("[predictor.fit]\nfold = 3", "unknown key of [predictor.fit] of config.toml 'fold'"),
        ("rounds = 3", "'rounds' is no option of 'nas search', but of measure; write it below [measure]"),
        ("allow-estimates = true\nallow_estimates = true", "config.toml gives allow-estimates twice"),
        ("seed = [1, 2]", "config.toml: seed is one value, not a list; given: [1, 2]"),
        ("seed = {a = 1}", "config.toml: seed is a text or a number; given: {'a': 1}"),
        ("seed = 2026-11-21", "config.toml: seed is a text or a number"),
        ("seed = 3.5", "config.toml: seed: "),
        ("seed = true", "config.toml: seed: "),
        ('allow-estimates = "yes"', "config.toml: allow-estimates is true or false; given: 'yes'"),
        ("space = 'mbconv'\nseed = \n", "config.toml is no TOML file: Invalid value (at line 2, column 8)"),
        ("json = true", "unknown key of config.toml 'json'"),
        ("config = 'a.toml'", "unknown table"),
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
    ],
)  # fmt: skip
def test_mistakes_are_told(folder: Path, content: str, words: str) -> None:
    (folder / "config.toml").write_text(content)
    message = refused("search", "config.toml")
    assert words in message or (words == "unknown table" and "unknown key of config.toml 'config'" in message)
    result = CliRunner().invoke(app, ["search", "config.toml", "--json"])
    assert result.exit_code == 2 and json.loads(result.stdout)["error"] in message


def test_a_file_that_is_not_there_or_no_text(folder: Path) -> None:
    assert "cannot read the configuration none.toml: No such file" in refused("search", "none.toml")
    (folder / "config.toml").write_bytes(b"\xff\xfe\x00")
    assert "config.toml is no TOML file" in refused("search", "config.toml")
    assert "cannot read the configuration" in refused("search", str(folder))


def test_what_is_neither_a_command_nor_a_run_is_told() -> None:
    assert "unknown command or run 'serch'; legal: " in refused("config", "show", "serch")
    assert "Did you mean 'remove'" in refused("config", "show", "devices", "remov")


RUN = RunConfig(
    space="cells:nats-size",
    targets=("macs<=300M",),
    objectives=("top1", "macs"),
    strategy="nsga2",
    strategy_options={"population": 20},
    minutes=3.0,
    randaugment=(2, 9.0),
    settings={"learning_rate": "0.1", "clip_norm": None},
    data='/a "quoted" folder',
)


def begun(folder: Path, config: RunConfig, kind: Any = "search") -> Manifest:
    """The manifest of a run that plans 34 steps."""
    manifest = new_manifest(kind, config, {"steps": 34}, {})
    write_manifest(folder, manifest)
    return manifest


def test_a_run_can_be_asked_for_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(folder, RUN)
    asked: dict[str, Any] = {}

    def search(space: str, targets: list[str], data: str, *_: Any, **options: Any) -> None:
        asked.update(RunConfig.checked(space=space, targets=tuple(targets), data=data, **options).model_dump())
        raise nas.NasError("enough")

    printed = CliRunner().invoke(app, ["config", "show", "."]).stdout
    (folder / "again.toml").write_text(printed)
    monkeypatch.setattr(nas.jobs, "search", search)
    assert "enough" in refused("search", "again.toml")
    expected = RUN.model_copy(update={"minutes": None, "steps": 34}).model_dump()
    for pairs in ("settings", "strategy_options"):
        asked[pairs] = {name: "none" if value is None else str(value) for name, value in asked[pairs].items()}
        expected[pairs] = {name: "none" if value is None else str(value) for name, value in expected[pairs].items()}
    assert asked == expected
    assert "# 3 minutes" in printed


def test_a_training_can_be_asked_for_again(folder: Path) -> None:
    begun(folder, RunConfig(trainer="sandwich", steps=5), "train")
    (folder / "again.toml").write_text(CliRunner().invoke(app, ["config", "show", "."]).stdout)
    found = shown("train", "again.toml")
    assert found["trainer"] == ("sandwich", "again.toml") and found["steps"] == (5, "again.toml")


def test_a_retraining_can_be_asked_for_again(folder: Path) -> None:
    asked = {"run": "..", "start": "scratch", "network": "runner-up 2", "architecture": {}, "distill": False}
    (folder / "run" / "retrained").mkdir(parents=True)
    config = RunConfig(space="cells:nats-size", targets=("macs<=300M",), steps=5, mixup=0.2)
    write_manifest(folder / "run" / "retrained", new_manifest("retrain", config, {"steps": 5, "retrain": asked}, {}))
    (folder / "again.toml").write_text(CliRunner().invoke(app, ["config", "show", "run/retrained"]).stdout)
    found = {name: value for name, (value, source) in shown("retrain", "--config", "again.toml").items() if source != "default"}
    expected = {"run": str(folder / "run"), "scratch": True, "runner-up": 2, "steps": 5, "mixup": 0.2}
    assert expected.items() <= found.items() and "arch" not in found and "distill" not in found
    assert "leave out --seed" in refused("config", "show", "run/retrained", "--seed", "3")


def test_a_run_of_an_object_is_no_file(folder: Path) -> None:
    begun(folder, RunConfig(space="given in Python: Mine"))
    assert "no file can name" in refused("config", "show", ".")


VALUES = (
    st.text(st.characters(codec="utf-8")) | st.floats() | st.booleans() | st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1)
)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z-]{1,8}", fullmatch=True), VALUES, min_size=1))
def test_any_value_is_written_as_toml(values: dict[str, Any]) -> None:
    entries = {name: {"value": value, "from": "default"} for name, value in values.items()}
    again = tomllib.loads(as_toml({"command": "predictor fit", "options": entries}))["predictor"]["fit"]
    assert repr(again) == repr(values)


def test_the_example_of_the_documents_is_one(folder: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    (folder / "config.toml").write_text(block)
    assert shown("search", "config.toml")["strategy-set"] == (["population=50"], "config.toml")
    assert shown("train", "config.toml")["set"] == (["learning_rate=0.2"], "config.toml")


def completed(line: str) -> list[str]:
    """What bash is offered for a line."""
    program = "import sys; sys.argv = ['nas']; from nas.cli import main; main()"
    words = line.split(" ")
    asked = {"_NAS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    result = subprocess.run([sys.executable, "-c", program], env=os.environ | asked, capture_output=True, text=True, check=True)
    return result.stdout.split()


def test_shells_complete_commands_options_and_names() -> None:
    assert completed("nas sea") == ["search"]
    assert completed("nas search --evalua") == ["--evaluate", "--evaluations"]
    assert "sandwich" in completed("nas train --trainer san")


def test_the_script_for_a_shell_is_printed() -> None:
    program = "import sys; sys.argv = ['nas', '--show-completion', 'bash']; from nas.cli import main; main()"
    told = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    script = subprocess.run([sys.executable, "-c", program], env=told, capture_output=True, text=True, check=True).stdout
    assert "_NAS_COMPLETE=complete_bash" in script


def leaves(group: Any) -> dict[str, Any]:
    """Every command below a group that is not hidden, by its words."""
    found = {}
    for name, command in group.commands.items():
        inner = leaves(command) if hasattr(command, "commands") else {"": command}
        found |= {f"{name} {word}".strip(): one for word, one in inner.items() if not one.hidden}
    return found


def test_every_command_takes_a_file_and_every_path_is_an_option() -> None:
    commands = leaves(typer.main.get_command(app))
    assert {"search", "measure", "predictor fit", "devices add"} <= set(commands)
    assert [name for name, command in commands.items() if not isinstance(command, Configured)] == ["config show"]
    keys = {key for command in commands.values() for key in parameters_of(command)}
    assert keys >= PATHS | NAMES_OR_PATHS


SCALARS = st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
CONTENTS = st.dictionaries(
    st.sampled_from(["seed", "target", "set", "search", "train", "allow-estimates", "data", "space", "x"]),
    SCALARS
    | st.lists(SCALARS, max_size=2)
    | st.dictionaries(st.sampled_from(["seed", "steps", "set", "y"]), SCALARS, max_size=2),
    max_size=3,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=CONTENTS, damage=st.text(max_size=3))
def test_any_file_is_read_or_refused(folder: Path, content: dict[str, Any], damage: str) -> None:
    tables = {name: value for name, value in content.items() if isinstance(value, dict)}
    lines = [f"{name} = {written(value)}" for name, value in content.items() if name not in tables]
    for name, values in tables.items():
        lines += [f"[{name}]", *(f"{key} = {written(value)}" for key, value in values.items())]
    (folder / "any.toml").write_text("\n".join(lines) + damage, encoding="utf-8")
    result = CliRunner().invoke(app, ["config", "show", "search", "any.toml"])
    assert result.exit_code in (0, 2) and (result.exception is None or isinstance(result.exception, SystemExit))
    assert result.exit_code == 0 or result.stderr.strip()


def written(value: Any) -> str:
    return as_toml({"command": "x", "options": {"a": {"value": value, "from": ""}}}).splitlines()[1].partition("= ")[2]
