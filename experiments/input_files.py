"""One small valid file of every kind that the toolkit reads, with what stands around it."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from killed import Measure, write_space
from made_up_tables import write_results
from PIL import Image

import nas.training.loop
from nas import jobs
from nas.base.progress import Silent
from nas.jobs.predicting import fit_predictor
from nas.supernet import Space, open_space

TABLE = Path(__file__).resolve().parents[1] / "hardware" / "tables" / "pixel1.json"

OPTIONS = {"resolution": 8, "compute": "cpu"}

CONFIGURATION = """
# Options of every kind, for a command and for others.
space = "mbconv:ofa"
seed = 7

[search]
target = ["macs<=1M", "params<=50k"]
evaluations = 12
mixup = 0.2
allow-estimates = true
strategy = "aging"
strategy-set = { population = 20, sample = 5 }

[train]
trainer = "sandwich"
set = ["learning_rate=0.1"]

[predictor.fit]
folds = 3
"""


class Stops(Silent):
    """Ends a training as Ctrl-C does, before its last step."""

    def advance(self, done: int, note: str = "") -> None:
        """See `Reporter`."""
        if done == 3:
            raise KeyboardInterrupt


def make(place: Path) -> None:
    """Write them all into an empty folder."""
    torch.set_num_threads(1)
    named = write_space(place)
    space = open_space(named)
    for name in ("table", "fitted", "tables", "architecture", "configuration"):
        (place / name).mkdir()
    _table(space, place / "table" / "results.csv")
    results = str(place / "table" / "results.csv")
    looked = jobs.search(named, evaluate=results, evaluations=30, strategy="random", out=place / "looked")
    shutil.copytree(looked.path, place / "unfinished", ignore=lambda *_: ["results.json", ".lock"])
    run = jobs.search(named, steps=3, evaluations=3, validation_images=100, out=place / "run", **OPTIONS)
    fit_predictor(looked.path, "ridge-svr", place / "fitted" / "fitted.safetensors", folds=2)
    _stopped(named, place / "training")
    _images(place / "images")
    _parquet(place / "parquet")
    Measure(named).run(place / "measured")
    for name in ("timings.jsonl", "results.json", "reliability.json", "device.json"):
        (place / "measured" / name).unlink(missing_ok=True)
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    (place / "tables" / "board.json").write_text(json.dumps({**table, "name": "board", "aliases": []}))
    (place / "architecture" / "one.json").write_text(json.dumps(run.winner.to_json()))
    (place / "configuration" / "options.toml").write_text(CONFIGURATION)


def _table(space: Space, path: Path) -> None:
    """Results of a third of the space."""
    rows = np.unique(space.decisions.sample(np.random.default_rng(0), 3000), axis=0)
    write_results(path, space, rows, lambda row: f"{70 + row.sum() + row[0] / 7:.3f}")


def _stopped(space: str, folder: Path) -> None:
    """A training with a step left to do."""
    nas.training.loop.CHECKPOINT_SECONDS = 0.0
    try:
        jobs.train(space, out=folder, steps=4, reporter=Stops(), **OPTIONS)
    except KeyboardInterrupt:
        return
    raise AssertionError("the training was not stopped")


def _picture(number: int, kind: str) -> bytes:
    noise = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, kind)
    return stream.getvalue()


def _images(folder: Path) -> None:
    """Two classes of a few pictures."""
    for name, kind, suffix in (("a", "PNG", "png"), ("b", "JPEG", "jpg")):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            (folder / name / f"{number}.{suffix}").write_bytes(_picture(number, kind))


def _parquet(folder: Path) -> None:
    folder.mkdir()
    rows: list[dict[str, Any]] = [
        {"image": {"bytes": _picture(number, "PNG"), "path": f"{number}.png"}, "label": number % 2} for number in range(24)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "train-00000-of-00001.parquet")
