"""Files of torch's exporter on traces, which tables are measured on, against those of the exporter that users are given.

A few random networks of three spaces, as both exporters write them, alternate in onnxruntime; one image, one thread. A ratio
above 1 says that the file of the product is slower than the one that was measured.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
from recording import alternate, arguments, ratio, record, seconds

from nas.base.seeds import generator
from nas.exporting import export_onnx
from nas.measuring import open_runtime
from nas.measuring.onnx_block import write_onnx_block
from nas.measuring.runner import load_loader
from nas.supernet import Space, Task, open_space

SPACES = {"mbconv:single-path": 96, "cells:nas-bench-201": 32, "vit:autoformer-t": 224}
NETWORKS, CALLS = 4, 5


def main() -> None:
    """Export, time, record."""
    given = arguments(__doc__, rounds=15)
    figures = []
    for name, resolution in SPACES.items():
        space = open_space(name)
        task = Task(space.task.channels, resolution, space.task.classes)
        found = [compared(space, task, row, given.rounds) for row in space.decisions.sample(generator(0, "exported"), NETWORKS)]
        ratios = [each["ratio"] for each in found]
        figures.append(
            {
                "space": name,
                "networks": NETWORKS,
                "product / table": median(ratios),
                "least": min(ratios),
                "most": max(ratios),
                "ms": median(each["ms"] for each in found),
                "written in s": median(each["traced"] for each in found),
                "product in s": median(each["product"] for each in found),
                "operators that differ": found[0]["operators"],
            }
        )
    record(__file__, figures, rounds=given.rounds, calls=CALLS)


def compared(space: Space, task: Task, row: np.ndarray, rounds: int) -> dict[str, Any]:
    """Both files of a network: how long they take to write, and to run."""
    network = space.supernet(task.channels, task.resolution, task.classes).eval().extract(row).eval()
    shape = (1, *task.input_shape)
    images = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    loader = load_loader(open_runtime("onnxruntime")[0].loader)
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{name}.onnx" for name in ("table", "product")}
        traced = seconds(lambda: write_onnx_block(network, [shape], paths["table"]))
        product = seconds(lambda: export_onnx(network, paths["product"], task.input_shape, {}))
        calls = {name: loader.load(path, [images], 1, "float32") for name, path in paths.items()}
        counts = {name: Counter(node.op_type for node in onnx.load(path).graph.node) for name, path in paths.items()}
    for call in calls.values():
        call()

    def fastest(name: str) -> float:
        return min(seconds(calls[name]) for _ in range(CALLS))

    # A side tells its fastest call, not how long it took to find it.
    found: dict[str, list[float]] = {name: [] for name in calls}
    alternate({name: lambda name=name: found[name].append(fastest(name)) for name in calls}, rounds)
    kept = {name: values[1:] for name, values in found.items()}
    differ = {kind: (counts["table"][kind], counts["product"][kind]) for kind in counts["table"] | counts["product"]}
    told = ", ".join(f"{kind} {a} / {b}" for kind, (a, b) in sorted(differ.items()) if a != b)
    return {
        "ratio": ratio(kept, "product", "table"),
        "ms": 1e3 * median(kept["table"]),
        "traced": traced,
        "product": product,
        "operators": told or "none",
    }


if __name__ == "__main__":
    main()
