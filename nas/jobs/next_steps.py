"""What one may type after a run: commands, or calls in Python where the run was given objects."""

from __future__ import annotations

import shlex
from pathlib import Path

from nas.jobs.commands import option_words
from nas.jobs.typical import typical_cost
from nas.runs import Manifest, RunConfig, Searched, Setting
from nas.runs.searched import is_given

READING = ("data", "path_column", "label_columns", "task")
"""Options that say which images there are, and how they are read."""


def after_training(path: str, setting: Setting) -> list[str]:
    """A search with the supernet, under a bound that about half of the networks keep."""
    macs = typical_cost(setting.space, "macs", setting.deployed_at, setting.config.seed)
    name, bound = setting.config.space, f"macs={macs / 1e6:.3g}M"
    given = {"space=SPACE": name, "data=DATA": setting.config.data}
    objects = ", ".join(argument for argument, said in given.items() if is_given(said))
    if objects:
        return [f"nas.search({objects}, supernet={path!r}, targets=[{bound!r}])  # in Python, with the same objects"]
    named = name if ".py" in name else setting.space.name
    return [f"nas search --supernet {shlex.quote(path)} --space {shlex.quote(named)} --target {bound}"]


def after_search(path: str, setting: Setting) -> list[str]:
    """A look at the winner, its way to a product, and a longer search of the same space."""
    config, quoted = setting.config, shlex.quote(path)
    if is_given(config.space):
        return [_in_python(f"{verb}({path!r}, space=SPACE)") for verb in ("show", "retrain", "export")]
    if is_given(config.data):
        return [f"nas show {quoted}", *(_in_python(f"{verb}({path!r}, data=DATA)") for verb in ("retrain", "export"))]
    images = _words(config, *READING) if setting.space.separate else f" --supernet {shlex.quote(config.supernet or path)}"
    return [
        f"nas show {quoted}",
        f"nas retrain {quoted}",
        f"nas export {quoted}",
        f"nas search{images}{_words(config, 'space', 'targets', 'allow_estimates')} --evaluations 1000",
    ]


def after_lookup(path: str, setting: Searched) -> list[str]:
    """A look at the winner, and a search of the same space with networks that are trained."""
    config, show = setting.config, f"nas show {shlex.quote(path)}"
    if is_given(config.space) or is_given(config.data):
        return [show]
    warm = f" --warm-start {setting.asked.objectives[0]}" if setting.asked.objectives else ""
    return [show, f"nas search{_words(config, *READING, 'space', 'targets', 'allow_estimates')}{warm}"]


def after_retraining(path: str, source: Manifest) -> list[str]:
    """Further formats, and scores.

    Args:
        source: of the run that found the network.
    """
    data, quoted = source.data["source"], shlex.quote(path)
    if is_given(source.config.space):
        calls = (f"export({path!r}, formats=['onnx-int8'], ", f"evaluate({path!r}, {data!r}, ", f"show({path!r}, ")
        return [_in_python(f"{call}space=SPACE)") for call in calls]
    if is_given(data):
        return [_in_python(f"{verb}({path!r}, data=DATA)") for verb in ("export", "evaluate")]
    return [f"nas export {quoted} --format onnx-int8", f"nas eval {quoted} --data {shlex.quote(data)}", f"nas show {quoted}"]


def after_export(path: str, file: Path, data: str) -> list[str]:
    """Scores of the file.

    Args:
        path: the run.
        file: one that was exported.
        data: what the network was trained on, as a manifest names it.
    """
    trusted, show = file.suffix == ".pt2", f"nas show {shlex.quote(path)}"
    if is_given(data):
        return [_in_python(f"evaluate({str(file)!r}, data=DATA{', trusted=True' * trusted})"), show]
    return [f"nas eval {shlex.quote(str(file))} --data {shlex.quote(data)}{' --trust' * trusted}", show]


def _words(config: RunConfig, *names: str) -> str:
    """Some of what was asked, as it is typed behind a command."""
    return "".join(f" {word}" for name in names for word in option_words(name, getattr(config, name)))


def _in_python(call: str) -> str:
    return f"nas.{call}  # in Python, with the same object"
