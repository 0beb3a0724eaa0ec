"""What a run says of its data when it begins: how often each class or label occurs, and which images were left out."""

from __future__ import annotations

from pathlib import Path

from nas.base.files import write_text
from nas.base.progress import Reporter
from nas.data import ImageData

LEFT_OUT = "left-out.txt"
"""In the run's folder: an image and the reason a line, where images cannot be decoded."""

IMBALANCED = 10.0
"""How many times as many images the most frequent class or label may have as the rarest before a run warns."""

SHOWN = 20
"""Classes or labels that are listed one by one, and left-out images that are."""


def report_data(data: ImageData, weighted: bool, folder: Path, reporter: Reporter) -> None:
    """Tell how many training images each class has, warn where they are far apart, and list the images left out.

    Args:
        weighted: whether the loss weighs classes.
        folder: of the run.
    """
    for line in class_lines(data, weighted):
        reporter.say(line)
    if data.left_out:
        write_text(folder / LEFT_OUT, "".join(f"{image}\t{reason}\n" for image, reason in data.left_out.items()))
        for image, reason in list(data.left_out.items())[:SHOWN]:
            reporter.say(f"left out: {image} cannot be decoded ({reason})")
        reporter.say(f"{len(data.left_out)} corrupt images are left out; all are listed in {folder / LEFT_OUT}")


def class_lines(data: ImageData, weighted: bool) -> list[str]:
    """How many training images each class or label has; with many of them the extremes, and a warning where it is needed."""
    counts = data.task.counts(data.train.labels)
    if not counts:
        return []
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if len(counts) <= SHOWN:
        shown = ", ".join(f"{name} {count}" for name, count in counts.items())
    else:
        shown = f"from {counts[least]} ({least}) to {counts[most]} ({most})"
    lines = [f"training images of each of {len(counts)} {data.task.nouns}: {shown}"]
    ratio = counts[most] / max(counts[least], 1)
    if ratio > IMBALANCED:
        hint = "the loss weighs them alike" if weighted else "--class-weights balanced weighs them alike in the loss"
        lines.append(f"warning: '{most}' has {ratio:.0f} times as many training images as '{least}'; {hint}")
    return lines
