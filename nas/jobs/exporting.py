"""Exporting the winner of a run again, elsewhere or after its files were lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.data import Reading, fixed_batches, load_data
from nas.exporting import write_plain
from nas.jobs.onnx_file import write_onnx
from nas.jobs.run import Run
from nas.supernet import Space, Task
from nas.supernet.weights import load_tensors


def export(path: str | Path, out: str | Path | None = None, space: Space | None = None) -> dict[str, Any]:
    """Write the winner of a run as ONNX (dynamic batch) and as plain PyTorch, and compare the two.

    Real images are compared too where the run's data can still be read.

    Args:
        path: a finished search.
        out: a folder for the files; the run's own by default.
        space: for a run of a space that only exists as an object: the same again.

    Returns:
        {"onnx", "source", "weights": paths, "comparison": figures, "real_input": bool, "next": [...]}.

    Raises:
        NasError: the run is not finished or has no weights, or the ONNX file disagrees with PyTorch.
    """
    run = Run(path, space)
    folder = run.folder
    if run.manifest.config.evaluate is not None:
        raise NasError(f"run {path} looked its results up and trained nothing: its winner has no weights to export")
    task = Task(**run.manifest.plan["trained_at"])
    network = run.space.network(run.winner, task).eval()
    weights, _ = load_tensors(folder.weights, "the winner's weights")
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise NasError(f"{folder.weights} does not belong to the winner in {folder.winner}") from error
    target = Path(out) if out is not None else folder.path
    real = _real_images(run)
    comparison = write_onnx(network, target / folder.onnx.name, run.space, run.winner, task, run.manifest, real)
    title = f"The winner of a search of {run.space.name}"
    write_plain(network, target / folder.model.name, target / folder.weights.name, title, task.input_shape)
    return {
        "onnx": str(target / folder.onnx.name),
        "source": str(target / folder.model.name),
        "weights": str(target / folder.weights.name),
        "comparison": comparison.to_json(),
        "real_input": real is not None,
        "next": [f"nas show {path}"],
    }


def _real_images(run: Run) -> Any:
    """Seven validation images, or None where the data is gone or has changed."""
    data = run.manifest.data
    try:
        found = load_data(
            data["source"],
            resolution=data["resolution"],
            seed=run.manifest.config.seed,
            reading=Reading(**data.get("reading", {})),
            left_out=data.get("left_out"),
        )
    except NasError:
        return None
    return next(fixed_batches(found, "validation", 7, 7)).images
