"""What `nas export`, `nas eval` and `nas retrain` print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.base.units import MEMORY
from nas.cli.tables import new_table, open_console, print_next

Figures = Mapping[str, Any]


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
        _print_formats(console, result["formats"])
    for name in ("onnx", "source", "weights", "card"):
        console.print(f"{name:<8} {result[name]}", soft_wrap=True)
    print_next(console, result)


def _print_formats(console: Any, formats: Figures) -> None:
    table = new_table("format", "file", "size", "largest difference", "top-1 before", "after", "same class", "images/s")
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
            cells += [f"{judged['before']['top1']:.2f} %", f"{judged['after']['top1']:.2f} %", f"{judged['same_class']:.2f} %"]
            cells.append(f"{judged['images_per_second']:.0f}")
        table.add_row(*cells)
    console.print(table)
    if images:
        console.print(
            f"Accuracy is that of {images} validation images, before by PyTorch and after in the format's own runtime."
        )
    for name, entry in formats.items():
        if entry["calibration_images"]:
            console.print(f"{name} has its ranges from {entry['calibration_images']} training images.")


def print_evaluation(result: Figures) -> None:
    """Accuracy of each class, then of all, and the speed."""
    console = open_console()
    table = new_table("class", "images", "top-1")
    for name, entry in result["per_class"].items():
        table.add_row(name, str(entry["images"]), f"{entry['top1']:.2f} %")
    console.print(table)
    which = "all images" if result["split"] == "all" else f"the {result['split']} images"
    own = ", on whose training images the network was trained" if result["own"] else ""
    console.print(f"{result['target']} ({result['what']}) on {which} of {result['data']}{own}:", soft_wrap=True)
    top5 = "" if result["top5"] is None else f", {result['top5']:.2f} % top-5"
    console.print(f"{result['top1']:.2f} % top-1{top5}, loss {result['loss']:.4f}, {result['images']} images.")
    console.print(f"{result['images_per_second']:.0f} images a second in the runtime alone, on this machine.")
    if result["own"] and result["split"] in ("train", "all"):
        console.print("The network has learnt from these very images: this says nothing of others.")


def print_retrained(figures: Figures) -> None:
    """Accuracy as it was found and as it is now, and what to type next."""
    console = open_console()
    table = new_table("weights", "validation top-1", "validation loss", "test top-1")
    found, network = figures["found"], figures["winner"]
    if "top1" in found.get("validation", {}) and figures["of"].get("trained"):
        test = f"{found['test']['top1']:.2f} %" if "test" in found else ""
        table.add_row("of the search", f"{found['validation']['top1']:.2f} %", f"{found['validation']['loss']:.4f}", test)
    validation, tested = network["validation"], network["test"]
    table.add_row("retrained", f"{validation['top1']:.2f} %", f"{validation['loss']:.4f}", f"{tested['top1']:.2f} %")
    console.print(table)
    training = figures["training"]
    begun = "the weights of the search" if training["start"] == "inherit" else "fresh weights"
    taught = ", taught by the supernet's largest network" if training["distillation"] else ""
    console.print(
        f"The {figures['of']['network']} of {figures['of']['run']}, from {begun}{taught}: {training['steps']} steps in "
        f"{training['seconds']:.0f} s, last loss {training['last_loss']:.3f}.",
        soft_wrap=True,
    )
    console.print(f"The {figures['data']['images']['test']} test images were scored once, at the end.")
    console.print(f"\nEverything is in {figures['run']}")
    print_next(console, figures)
