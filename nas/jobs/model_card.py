"""The model card of a run's network: what it is, how good, what it costs, how it was made; nothing but what the run knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.data.tasks import Classification, LearningTask, Metric, MultiLabel, Regression, kind_in
from nas.exporting import Preprocessing
from nas.jobs.card_files import files_section
from nas.jobs.readme import effort, heading, shown
from nas.runs import Manifest

LISTED = 100
"""Classes, labels or columns that are listed on the card; more of them stand in preprocessing.json alone."""

Figures = Mapping[str, Any]


def model_card(results: Figures, manifest: Manifest, preprocessing: Preprocessing, exports: Mapping[str, Figures]) -> str:
    """The card, in Markdown.

    Args:
        results: all figures of the run.
        exports: figures of further formats in the card's folder, as `nas export` gives them.
    """
    sections = {
        "Input": _input(preprocessing),
        "Accuracy": _accuracy(results, exports),
        "Costs": _costs(results),
        "How it was made": _making(results, manifest),
        "Files": files_section(exports, preprocessing.task),
        "Limits": _limits(results, manifest, preprocessing),
        "Licence": ["The run states none: whoever publishes the weights decides, as far as the data's own licence allows."],
    }
    lines = [f"# {_title(results)}", "", *_head(results, preprocessing), ""]
    for title, body in sections.items():
        lines += [f"## {title}", "", *body, ""]
    return "\n".join(lines)


def _title(results: Figures) -> str:
    return f"A network of {results['space']} for {results['data']['name']}"


def _head(results: Figures, preprocessing: Preprocessing) -> list[str]:
    task, tested = preprocessing.task, f"{results['data']['images']['test']} test images"
    metric = task.headline
    value = metric.format(results["winner"]["test"][metric.name])
    if isinstance(task, Classification):
        return [f"An image classifier: it tells {len(task.names)} classes apart, and does so right for {value} of {tested}."]
    count = len(task.names)
    what = f"{count} label{'s' * (count > 1)}" if isinstance(task, MultiLabel) else f"{count} number{'s' * (count > 1)}"
    if isinstance(task, MultiLabel):
        return [f"It says which of {what} suit a picture, with a mean average precision of {value} on {tested}."]
    return [f"It tells {what} of a picture, with a coefficient of determination (R2) of {value} on {tested}."]


def _input(preprocessing: Preprocessing) -> list[str]:
    channels, height, width = preprocessing.input_shape
    colour = "grey" if channels == 1 else "red, green, blue"
    listed = preprocessing.classes[:LISTED]
    rest = len(preprocessing.classes) - len(listed)
    return [
        f"- Images (N, {channels}, {height}, {width}) in float32, {colour}; N is free where a format does not fix it.",
        f"- A picture's shorter side is resized to {height} px by bilinear interpolation with antialiasing, and the centre is "
        "cut out.",
        f"- Pixels are scaled to [0, 1]; mean {_numbers(preprocessing.mean)} is subtracted, and they are divided by "
        f"{_numbers(preprocessing.std)}, by channel.",
        f"- Scores (N, {len(preprocessing.classes)}) come in the order of the {preprocessing.task.nouns}: "
        + ", ".join(f"`{name}`" for name in listed)
        + (f" and {rest} more, which `preprocessing.json` lists." if rest else "."),
        f"- The answer: {preprocessing.task.meaning}.",
        *_scales(preprocessing.task),
    ]


def _scales(task: LearningTask) -> list[str]:
    """How the scores of numbers become numbers."""
    if not isinstance(task, Regression):
        return []
    lines = [
        f"- `{name}` = {std:.6g} x score + {mean:.6g}"
        for name, std, mean in list(zip(task.names, task.std, task.mean, strict=True))[:LISTED]
    ]
    return [*lines, "- `target_std` and `target_mean` stand in `preprocessing.json` and in ONNX files in full."]


def _accuracy(results: Figures, exports: Mapping[str, Figures]) -> list[str]:
    network, images = results["winner"], results["data"]["images"]
    metrics = kind_in(results["data"]).metrics
    seen = results["search"].get("validation_images", images["validation"])
    chosen = "after the training" if results["kind"] == "retrain" else "they chose the network"
    validated = images["validation"] if results["kind"] == "retrain" else seen
    lines = [
        _row("images", *(metric.title for metric in metrics)),
        "|---" * (1 + len(metrics)) + "|",
        _row(
            f"{validated} validation images of {results['data']['name']} ({chosen})",
            *_shown(metrics, network["validation"]),
        ),
        _row(f"{images['test']} test images (scored once, at the end)", *_shown(metrics, network["test"])),
    ]
    return [*lines, *_formats(kind_in(results["data"]), exports)]


def _formats(kind: type[LearningTask], exports: Mapping[str, Figures]) -> list[str]:
    """How good files in other formats are, by the headline."""
    judged = {name: entry["validation"] for name, entry in exports.items() if entry["validation"] is not None}
    if not judged:
        return []
    metric, agreement = kind.metrics[0], kind.agreement
    lines = ["", "Of other formats, each in its own runtime:", ""]
    lines += [_row("format", "images", metric.title, "PyTorch", agreement.title), "|---|---|---|---|---|"]
    for name, entry in judged.items():
        after, before = (metric.format(entry[when][metric.name]) for when in ("after", "before"))
        same = agreement.format(entry[agreement.name])
        lines.append(_row(name, f"{entry['after']['images']} validation images", after, before, same))
    return lines


def _shown(metrics: Sequence[Metric], found: Figures) -> list[str]:
    return [metric.format(found[metric.name]) if metric.name in found else "" for metric in metrics]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _costs(results: Figures) -> list[str]:
    network = results["winner"]
    lines = ["| cost | value | what it is |", "|---|---|---|"]
    for metric, value in network["costs"].items():
        if metric in results["latency"]:
            lines.append(f"| {heading(metric)} | {shown(metric, value)} | {_predicted(results, metric)} |")
        elif metric == "macs_as_trained":
            lines.append(f"| {heading('macs')} | {shown('macs', value)} | counted, at {results['trained_at']} |")
        else:
            lines.append(f"| {heading(metric)} | {shown(metric, value)} | counted, at {results['deployed_at']} |")
    for metric, entry in network.get("measured", {}).items():
        source = results["latency"][metric]
        lines.append(
            f"| {heading(metric)} | {entry['ms']:.2f} ms | measured as a whole network on {source['device']} with "
            f"{source['runtime']}, spread {entry['spread']:.2f} ms |"
        )
    return lines


def _predicted(results: Figures, metric: str) -> str:
    """What a latency of a table is."""
    source = results["latency"][metric]
    estimated = results["winner"].get("estimated", {}).get(metric)
    part = f"; {estimated['count']} of {estimated['operators']} operators are estimates" if estimated else ""
    return (
        f"predicted ({source['what']}) for {source['device']}, {source['runtime'] or 'runtime not stated'}, "
        f"{source['dtype'] or 'type not stated'}, batch {source['batch']}, at {source['task']}{part}"
    )


def _making(results: Figures, manifest: Manifest) -> list[str]:
    targets = ", ".join(target["text"] for target in results["targets"]) or "no bound"
    images = results["data"]["images"]
    lines = [
        f"- Data: {results['data']['name']}: {images['train']} training, {images['validation']} validation and "
        f"{images['test']} test images; seed of the splits {manifest.data.get('seed', manifest.config.seed)}.",
        f"- Found in the space {results['space']} under {targets}. {effort(results)}",
        f"- {_training(results)}",
        f"- Made on {manifest.created[:10]} with nas-toolkit {manifest.versions['nas-toolkit']} and torch "
        f"{manifest.versions['torch']}; seed {manifest.config.seed}. `manifest.json` of the run holds all that was asked.",
    ]
    architecture = results["winner"]["architecture"]
    return [*lines, "", "The architecture:", "", *_architecture(architecture)]


def _training(results: Figures) -> str:
    """How the weights were trained, in a sentence or two."""
    training = results["training"]
    recipe = training["recipe"]
    figures = f"{recipe['optimiser']}, rate {recipe['learning_rate']:g} for {recipe['reference_batch']} images, batch "
    figures += f"{recipe['batch_size']}"
    if results["kind"] == "retrain":
        begun = "the weights that the run gave it" if training["start"] == "inherit" else "fresh weights"
        taught = training["distillation"]
        teacher = (
            f" The supernet's largest network taught it (weight {taught['weight']:g}, temperature {taught['temperature']:g})."
            if taught
            else ""
        )
        return f"Trained by itself from {begun} for {training['steps']:.0f} steps: {figures}.{teacher}"
    if training["separate"]:
        return f"Trained by itself from scratch for {training['steps']:.0f} steps: {figures}."
    return (
        f"The weights are those of a supernet, trained by {training['trainer']} for {training['steps']:.0f} steps ({figures}), "
        f"with batch norm re-estimated on {results['search']['calibration_images']} training images."
    )


def _architecture(architecture: Figures) -> list[str]:
    """Every decision, as an indented line."""
    decisions = architecture.get("decisions", architecture)
    return [f"    {name} = {value}" for name, value in decisions.items()]


def _limits(results: Figures, manifest: Manifest, preprocessing: Preprocessing) -> list[str]:
    data = results["data"]
    lines = [
        f"- {_always(preprocessing.task)}",
        f"- Accuracy is that of images of {data['name']}; nothing else was tried.",
    ]
    if results["trained_at"] != results["deployed_at"]:
        lines.append(
            f"- The files take images of {preprocessing.input_shape[-1]} px and were trained at {results['trained_at']}; the "
            f"costs above are at {results['deployed_at']} unless they say otherwise."
        )
    if results["kind"] == "search" and not results["training"]["separate"]:
        lines.append(
            "- The weights were shared with other networks while they were trained; `nas retrain` trains the network by itself."
        )
    if results["onnx"]["rounding"] > results["onnx"]["tolerance"]:
        lines.append(
            f"- The network magnifies rounding: float32 alone changes its scores by {results['onnx']['rounding']:.1e}, and its "
            "files agree no better."
        )
    if data["note"]:
        lines.append(f"- Data: {data['note']}.")
    if manifest.config.precision != "32-true":
        lines.append(f"- Trained in {manifest.config.precision}; the files are in float32 unless they say otherwise.")
    return lines


def _always(task: LearningTask) -> str:
    """What the network says even of pictures that it was not made for."""
    if isinstance(task, Classification):
        return f"Every picture gets one of the {len(task.names)} classes, whatever it shows."
    if isinstance(task, MultiLabel):
        return f"Every picture gets a score for each of the {len(task.names)} labels, whatever it shows."
    return "Every picture gets its numbers, whatever it shows."


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
