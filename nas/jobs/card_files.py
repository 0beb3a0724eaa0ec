"""The part of a model card that lists the files and says how each is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.data.tasks import LearningTask
from nas.exporting import Format
from nas.measuring.formats import FLOAT32, every_format

PICTURE = """
import json

import numpy as np
from PIL import Image, ImageOps

with open("preprocessing.json") as file:
    about = json.load(file)
_, channels, height, width = about["input_shape"]
picture = Image.open("photo.jpg").convert("L" if channels == 1 else "RGB")
picture = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
pixels = np.asarray(picture, np.float32).reshape(height, width, channels) / 255
images = ((pixels - about["mean"]) / about["std"]).transpose(2, 0, 1)[None].astype(np.float32)
"""

PLAIN = """
import torch
from safetensors.torch import load_file

from model import Network

network = Network()
network.load_state_dict(load_file("weights.safetensors"))
scores = network.eval()(torch.from_numpy(images)).detach().numpy()
"""

ANSWERS = {
    "classification": """
print(about["classes"][scores[0].argmax()])
""",
    "multi-label": """
print([name for name, score in zip(about["classes"], scores[0]) if score > 0])
""",
    "regression": """
numbers = scores[0] * about["target_std"] + about["target_mean"]
print(dict(zip(about["classes"], numbers.tolist())))
""",
}
"""What is said of a picture, by kind of task."""


def files_section(exports: Mapping[str, Mapping[str, Any]], task: LearningTask) -> list[str]:
    """The files, then Python that says what a picture shows with each; all of it is run in their folder.

    Args:
        task: what the network learned.
        exports: figures of further formats in the card's folder, as `nas export` gives them.
    """
    known = {name: made for name, (_, made) in every_format().items()}
    held = {FLOAT32: known[FLOAT32], **{name: known[name] for name in exports if name in known}}
    rows = ["| `model.py`, `weights.safetensors` | plain PyTorch | torch, safetensors |"]
    rows += [f"| {_named(made)} | {made.summary} | {made.needs} |" for made in held.values()]
    rows.append("| `preprocessing.json` | what the input must be, and what the scores mean | |")
    lines = ["| file | holds | needs |", "|---|---|---|", *rows, ""]
    lines += ["A picture as the files take it:", "", *_code(PICTURE), ""]
    lines += ["Its scores by the plain PyTorch:", "", *_code(PLAIN), ""]
    for made in held.values():
        lines += [f"By `{made.main}`:", "", *_code(made.code()), ""]
    return [*lines, "And the answer:", "", *_code(ANSWERS[task.kind])]


def _named(made: Format) -> str:
    return ", ".join(f"`{name}`" for name in made.files)


def _code(text: str) -> list[str]:
    return ["```python", *text.strip().splitlines(), "```"]
