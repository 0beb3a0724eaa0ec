"""The model card of a run's network: what it is, how good, what it costs, how it was made; nothing but what the run knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.exporting import Preprocessing
from nas.jobs.card_files import files_section
from nas.jobs.readme import effort, heading, shown
from nas.runs import Manifest

LISTED = 100
"""Classes that are listed on the card; more of them stand in preprocessing.json alone."""

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
        "Files": files_section(exports),
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
    test = results["winner"]["test"]
    return [
        f"An image classifier: it tells {len(preprocessing.classes)} classes apart, and does so right for "
        f"{test['top1']:.2f} % of {results['data']['images']['test']} test images."
    ]


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
        f"- Scores (N, {len(preprocessing.classes)}) come in the order of the classes: "
        + ", ".join(f"`{name}`" for name in listed)
        + (f" and {rest} more, which `preprocessing.json` lists." if rest else "."),
    ]


def _accuracy(results: Figures, exports: Mapping[str, Figures]) -> list[str]:
    network, images = results["winner"], results["data"]["images"]
    seen = results["search"].get("validation_images", images["validation"])
    chosen = "after the training" if results["kind"] == "retrain" else "they chose the network"
    lines = [
        "| images | top-1 | loss |",
        "|---|---|---|",
        f"| {seen if results['kind'] != 'retrain' else images['validation']} validation images of {results['data']['name']} "
        f"({chosen}) | {network['validation']['top1']:.2f} % | {network['validation']['loss']:.4f} |",
        f"| {images['test']} test images (scored once, at the end) | {network['test']['top1']:.2f} % | "
        f"{network['test']['loss']:.4f} |",
    ]
    judged = {name: entry["validation"] for name, entry in exports.items() if entry["validation"] is not None}
    if judged:
        lines += ["", "Of other formats, each in its own runtime:", "", "| format | images | top-1 | PyTorch | same class |"]
        lines.append("|---|---|---|---|---|")
    for name, entry in judged.items():
        after, before = entry["after"], entry["before"]
        lines.append(
            f"| {name} | {after['images']} validation images | {after['top1']:.2f} % | {before['top1']:.2f} % | "
            f"{entry['same_class']:.2f} % |"
        )
    return lines


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
        f"- Every picture gets one of the {len(preprocessing.classes)} classes, whatever it shows.",
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


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
