"""Mutated inputs: each gives a clear error or a right answer; no traceback, no hang, no crash, and no code run from a file.

Files of every kind that the toolkit reads (`input_files.py`) are mutated (`mutations.py`) and given to the command or the
function that reads them, in a process of its own. It must end within a minute, with exit code 0, or 2 and one line; a file that
only code hidden in an input would make must not exist. Verdicts are kept under `results/mutated_inputs/`, so that a killed
study goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import input_files
import torch
from forked import fork, wait
from killed import Measure
from mutations import mutated
from recording import RESULTS, record

from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.cli.app import app
from nas.data import fixed_batches, load_data
from nas.runs.trained import load_trained, read_facts
from nas.supernet import open_space

KEPT = RESULTS / "mutated_inputs"

SECONDS = 60.0
"""After which a reader is taken to hang."""


@dataclass(frozen=True)
class Input:
    """One kind of file.

    Attributes:
        kind: in the results.
        file: the one that is mutated, as FOLDER/FILE below the folder of all; each try works on a copy of its folder.
        read: reads the copy; a command ends with SystemExit.
        text: whether figures and words in it can be exchanged.
        share: how many tries it gets for each one of the others.
    """

    kind: str
    file: str
    read: Callable[[Path], Any]
    text: bool = True
    share: float = 1.0


def command(*words: str) -> Callable[[Path], Any]:
    """A command as a user types it; '{}' stands for the folder."""

    def run(folder: Path) -> None:
        sys.argv = ["nas", *(word.replace("{}", str(folder)) for word in words)]
        app()

    return run


def inputs(place: Path) -> list[Input]:
    """Every kind of file, once `input_files.make` has made them."""
    space = f"{place / 'small_space.py'}:Small"
    fitted = str(place / "fitted" / "fitted.safetensors")
    model = sorted((place / "measured" / "models").iterdir())[0].name

    def search(*words: str) -> Callable[[Path], Any]:
        # What is typed goes before what a file of options says, so that none makes it a training.
        return command("search", *words, "--space", space, "--evaluations", "3", "--out", "{}/out")

    def load(folder: Path) -> None:
        read_facts(folder)
        load_trained(folder, open_space(space).supernet(1, 8, 10, 0))

    def images(folder: Path) -> None:
        data = load_data(str(folder), resolution=8)
        for part in ("train", "validation", "test"):
            list(fixed_batches(data, part, 8, 100))

    return [
        Input("manifest", "unfinished/manifest.json", command("resume", "{}")),
        Input("study", "unfinished/study.journal", command("resume", "{}"), share=2),
        Input("results", "run/results.json", command("show", "{}")),
        Input("winner", "run/winner.json", command("show", "{}")),
        Input("checkpoint", "training/checkpoint.safetensors", command("resume", "{}"), text=False, share=2),
        Input("supernet", "run/supernet/supernet.json", lambda folder: load(folder / "supernet")),
        Input("weights", "run/supernet/weights.safetensors", lambda folder: load(folder / "supernet"), text=False),
        Input("table of results", "table/results.csv", search("--evaluate", "{}/results.csv"), share=2),
        Input("predictor", "fitted/fitted.safetensors", search("--evaluate", "{}/fitted.safetensors"), text=False),
        Input("latency table", "tables/board.json", command("devices", "add", "{}/board.json"), share=2),
        Input("ONNX", f"measured/models/{model}", Measure(space).run, text=False, share=0.5),
        Input("PNG image", "images/a/0.png", images, text=False),
        Input("JPEG image", "images/b/0.jpg", images, text=False),
        Input("Parquet", "parquet/train-00000-of-00001.parquet", images, text=False),
        Input("architecture", "architecture/one.json", command("show", space, "--architecture", "{}/one.json"), share=2),
        Input("options", "configuration/options.toml", search("{}/options.toml", "--evaluate", fitted), share=2),
    ]


def tried(one: Input, number: int | None, made: Path, place: Path) -> dict[str, Any]:
    """Mutate a copy, read it, and judge; without a number the copy is read as it is."""
    top, _, inside = one.file.partition("/")
    folder, canary, output = place / "copy", place / "canary", place / "output"
    for path in (folder, canary, output):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    shutil.copytree(made / top, folder)
    way, content = "none", (folder / inside).read_bytes()
    if number is not None:
        way, content = mutated(content, one.text, canary, generator(0, "mutated", one.kind, number))
    (folder / inside).write_bytes(content)

    def work() -> None:
        torch.set_num_threads(1)
        os.environ["NAS_HOME"] = str(place / "home")
        try:
            one.read(folder)
        except NasError as error:
            print(f"nas: {error}", file=sys.stderr)
            raise SystemExit(2) from None

    shutil.rmtree(place / "home", ignore_errors=True)
    code = wait(fork(work, output), SECONDS)
    told = output.read_text(errors="replace")
    faults = ["code run from the file"] * canary.exists() + ["a traceback"] * ("Traceback" in told)
    if code is None:
        faults.append("a hang")
    elif code not in (0, 2):
        faults.append(f"exit code {code}")
    elif code == 2 and not any(line.startswith("nas: ") and len(line) > 15 for line in told.splitlines()):
        faults.append("no clear error")
    found = {"kind": one.kind, "number": number, "way": way, "verdict": "answer" if code == 0 else "error", "faults": faults}
    return found | {"told": told[-2000:]}


def missing(every: list[Input], count: int, done: list[dict[str, Any]]) -> list[tuple[Input, int]]:
    """The tries that are left of so many in all, the kinds in turn."""
    total = sum(one.share for one in every)
    known = {(one["kind"], one["number"]) for one in done}
    tries = [(number / one.share, one, number) for one in every for number in range(round(count * one.share / total))]
    return [(one, number) for _, one, number in sorted(tries, key=lambda entry: entry[0]) if (one.kind, number) not in known]


def main() -> None:
    """Mutate, read, and record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--inputs", type=int, default=1000, help="in all (default: %(default)s)")
    parser.add_argument("--only", nargs="+", help="kinds of files; nothing is recorded then")
    parser.add_argument("--again", action="store_true", help="try those again that had faults")
    given = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    file = KEPT / "verdicts.jsonl"
    done: list[dict[str, Any]] = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    if given.again:
        done = [one for one in done if not one["faults"]]
        file.write_text("".join(json.dumps(one) + "\n" for one in done))
    with tempfile.TemporaryDirectory(prefix="nas-mutated-") as name:
        place, made = Path(name), Path(name) / "made"
        os.environ["NAS_HOME"] = str(place / "home")
        made.mkdir()
        # In a process of its own: forks of one whose threads have computed are not to be trusted.
        if wait(fork(lambda: input_files.make(made), place / "made.output")) != 0:
            sys.exit(f"the inputs could not be made: {(place / 'made.output').read_text()}")
        every = inputs(made)
        for one in every:
            control = tried(one, None, made, place)
            if control["faults"] or control["verdict"] != "answer":
                sys.exit(f"{one.kind}: what was not mutated gives no answer: {control}")
        for one, number in missing(every, given.inputs, done):
            if given.only is None or one.kind in given.only:
                found = tried(one, number, made, place)
                done.append(found)
                with file.open("a") as kept:
                    kept.write(json.dumps(found) + "\n")
                if found["faults"]:
                    print(found["kind"], number, found["way"], found["faults"], found["told"][-600:], flush=True)
    figures = []
    for kind in dict.fromkeys(one["kind"] for one in done):
        own = [one for one in done if one["kind"] == kind]
        verdicts = Counter("fault" if one["faults"] else one["verdict"] for one in own)
        figures.append({"input": kind, "tried": len(own), **{name: verdicts[name] for name in ("error", "answer", "fault")}})
    if given.only is None:
        record(__file__, figures, inputs=len(done), faults=dict(Counter(fault for one in done for fault in one["faults"])))


if __name__ == "__main__":
    main()
