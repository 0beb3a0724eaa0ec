"""What `nas export` and `nas eval` print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.base.units import MEMORY
from nas.cli.tables import new_table, open_console, print_next
from nas.data.tasks import METRICS, LearningTask, kind_in

Figures = Mapping[str, Any]

FURTHER = {"top5": "top-5", "ap": "average precision", "images": "images"}
"""Figures that nothing is searched for, and what people call them."""

LISTED = 20
"""Images left out that are listed."""


def print_export(result: Figures) -> None:
    """The comparison of ONNX and PyTorch input by input, then every further format."""
    console = open_console()
    comparison = result["comparison"]
    table = new_table("input", "largest difference")
    for name, difference in comparison["inputs"].items():
        table.add_row(name, f"{difference:.1e}")
    console.print(table)
    console.print(f"ONNX and PyTorch agree within {comparison['tolerance']:.0e} (operator set {comparison['opset']}).")
    if not result["real_input"]:
        console.print("The run's data could not be read any more, so only random images were compared.")
    if result["formats"]:
        _print_formats(console, result["formats"], kind_in(result))
    for name in ("onnx", "source", "weights", "card"):
        console.print(f"{name:<8} {result[name]}", soft_wrap=True)
    print_next(console, result)


def _print_formats(console: Any, formats: Figures, kind: type[LearningTask]) -> None:
    metric, agreement = kind.metrics[0], kind.agreement
    table = new_table(
        "format", "file", "size", "largest difference", f"{metric.title} before", "after", agreement.title, "images/s"
    )
    images = 0
    for name, entry in formats.items():
        cells = [
            name,
            " + ".join(entry["files"]),
            MEMORY.format(entry["bytes"]),
            f"{entry['comparison']['largest_difference']:.1e}",
        ]
        judged = entry["validation"]
        if judged is not None:
            images = judged["after"]["images"]
            cells += [metric.format(judged[when][metric.name]) for when in ("before", "after")]
            cells += [agreement.format(judged[agreement.name]), f"{judged['images_per_second']:.0f}"]
        table.add_row(*cells)
    console.print(table)
    if images:
        console.print(
            f"The {metric.title} is that of {images} validation images, before by PyTorch and after in the format's own "
            "runtime."
        )
    for name, entry in formats.items():
        if entry["calibration_images"]:
            console.print(f"{name} has its ranges from {entry['calibration_images']} training images.")


def print_evaluation(result: Figures) -> None:
    """The figures of each class, label or column, then of all, and the speed."""
    console = open_console()
    kind = kind_in(result)
    names = list(dict.fromkeys(name for entry in result["per_class"].values() for name in entry))
    table = new_table(kind.noun, *(FURTHER.get(name, METRICS[name].title if name in METRICS else name) for name in names))
    for name, entry in result["per_class"].items():
        table.add_row(name, *(_shown(one, entry[one]) for one in names))
    console.print(table)
    which = "all images" if result["split"] == "all" else f"the {result['split']} images"
    own = ", on whose training images the network was trained" if result["own"] else ""
    console.print(f"{result['target']} ({result['what']}) on {which} of {result['data']}{own}:", soft_wrap=True)
    console.print(f"{_sentence(kind, result)}, {result['images']} images.")
    console.print(f"{result['images_per_second']:.0f} images a second in the runtime alone, on this machine.")
    if result["own"] and result["split"] in ("train", "all"):
        console.print("The network has learnt from these very images: this says nothing of others.")
    for image, reason in list(result["left_out"].items())[:LISTED]:
        console.print(f"left out: {image} cannot be decoded ({reason})", soft_wrap=True)
    if len(result["left_out"]) > LISTED:
        console.print(f"{len(result['left_out'])} images cannot be decoded and were left out; --json lists them.")


def _sentence(kind: type[LearningTask], result: Figures) -> str:
    """All figures in a line: a share as '9.5 % top-1', others as 'R2 0.8'."""
    parts = []
    for name in (kind.metrics[0].name, *FURTHER, *(metric.name for metric in kind.metrics[1:])):
        if result.get(name) is None or name == "images":
            continue
        title = FURTHER.get(name) or METRICS[name].title
        text = _shown(name, result[name])
        parts.append(f"{text} {title}" if text.endswith("%") else f"{title} {text}")
    return ", ".join(parts)


def _shown(name: str, value: float) -> str:
    if name in METRICS:
        return METRICS[name].format(value)
    return str(value) if isinstance(value, int) else f"{value:.2f} %"
