"""A run's README.md: the results for people, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nas.base.units import Quantity
from nas.costs.tabled import quantity_of_table
from nas.data.tasks import METRICS, Classification, Regression, kind_in
from nas.jobs.latencies import latency_notes
from nas.supernet.space import WALKED

HEADINGS = {
    "macs": "multiply-adds",
    "params": "parameters",
    "memory": "activation memory",
    "mcu-memory": "int8 memory",
    "mcu-memory-float32": "in-place memory",
    "mcu-weights": "int8 weights",
}


def quantity_of(metric: str) -> Quantity:
    """How a metric is written."""
    return WALKED[metric] if metric in WALKED else quantity_of_table(metric)


def run_title(figures: Mapping[str, Any]) -> str:
    """What a run was about, in one line."""
    if figures["kind"] == "train":
        return f"Supernet of {figures['space']}, trained on {figures['data']['name']}"
    if figures["kind"] == "search":
        source = f" on {figures['data']['name']}"
    else:
        source = ", untrained networks" if figures["evaluated_by"] is None else ", results looked up"
    asked = ", ".join(target["text"] for target in figures["targets"]) or "no bound"
    return f"{figures['space']}{source}: {asked}"


def columns(figures: Mapping[str, Any]) -> list[str]:
    """The costs that a table of networks shows: the targets', the objectives', then multiply-adds and parameters."""
    objectives = [one["name"] for one in figures.get("objectives", ()) if one["cheap"]]
    return list(dict.fromkeys([*(target["metric"] for target in figures["targets"]), *objectives, "macs", "params"]))


def network_rows(figures: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Winner, runners-up and the best of random search, with their names."""
    rows = [("winner", figures["winner"])]
    rows += [(f"runner-up {index}", network) for index, network in enumerate(figures["runners_up"], 1)]
    if figures["random_search"]:
        rows.append(("random search", figures["random_search"]["best"]))
    return rows


def heading(metric: str) -> str:
    """A column's title."""
    return HEADINGS.get(metric, metric.replace("-latency", " latency").replace("-energy", " energy"))


def shown(metric: str, value: float) -> str:
    """A figure with its unit."""
    return quantity_of(metric).format(value)


def shown_cost(metric: str, network: Mapping[str, Any]) -> str:
    """A cost of a network with its unit, marked where it contains estimates."""
    text, estimated = shown(metric, network["costs"][metric]), network.get("estimated", {}).get(metric)
    return text if estimated is None else f"{text} ({estimated['count']} of {estimated['operators']} operators estimated)"


def notes(figures: Mapping[str, Any]) -> list[str]:
    """What must be known to read the figures, a sentence each."""
    data, search = figures["data"], figures["search"]
    lines = []
    lines.append(
        f"Multiply-adds, parameters and memory are those of the deployed network ({figures['deployed_at']}). Accuracies "
        f"and the exported files are at the training resolution ({figures['trained_at']})."
    )
    lines += search_notes(figures)
    if figures["training"]["separate"]:
        weights = f"Every network was trained from scratch for {figures['training']['steps']} steps"
    else:
        weights = (
            "Accuracies use the supernet's weights, with batch norm re-estimated for each network on "
            f"{search['calibration_images']} training images"
        )
    lines.append(
        f"{weights}: {search['validation_images']} validation images chose the winner{_noise(figures)}, "
        f"{data['images']['test']} test images were scored once, by the winner."
    )
    rounding = figures["onnx"]["rounding"]
    if rounding > figures["onnx"]["tolerance"]:
        lines.append(
            f"The winner magnifies rounding: float32 alone changes its scores by {rounding:.1e}, so its files agree no better. "
            "More training or more calibration images make it steadier."
        )
    if kind_in(data) is Regression:
        lines.append(
            "Outputs are standardised: a number is target_std x output + target_mean; preprocessing.json and the ONNX file "
            "have both."
        )
    if data["note"]:
        lines.append(f"Data: {data['note']}.")
    return lines


def _noise(figures: Mapping[str, Any]) -> str:
    """How far the winner's accuracy on so many validation images is a matter of chance."""
    found, images = figures["winner"]["validation"].get("top1"), figures["search"]["validation_images"]
    if kind_in(figures["data"]) is not Classification or found is None:
        return ""
    points = math.sqrt(max(0.0, found * (100 - found)) / images)
    return f" (the standard deviation of an accuracy on so many is {points:.1f} points)"


def search_notes(figures: Mapping[str, Any]) -> list[str]:
    """What latencies are, what was searched where it was a part of the space, and how the winner was picked where that is not
    simply the best."""
    names = [one["name"] for one in figures.get("objectives", ())]
    lines = latency_notes(figures)
    if figures.get("reduced"):
        part = figures["reduced"]
        lines.append(
            f"Only the best {part['top']} modules of each unit by run {part['run']} were searched: {part['networks']:.3g} of "
            f"{part['of']:.3g} networks. What ranked the modules has a Kendall tau of {part['kendall_tau']:.2f}."
        )
    if len(names) > 1:
        picked = "the best in the first" if any(t["metric"] in names[1:] for t in figures["targets"]) else "its knee"
        lines.append(f"The front of {' and '.join(names)} has {len(figures['front'])} networks; the winner is {picked}.")
    if figures.get("reward"):
        reward = figures["reward"]
        lines.append(
            f"The winner has the highest reward '{reward['name']}' (weight {reward['weight']:g}), which weighs accuracy "
            f"against {figures['targets'][0]['text'].replace('<=', 'around')}: that target is no bound."
        )
    return lines + proxy_notes(figures) + measured_notes(figures)


def measured_notes(figures: Mapping[str, Any]) -> list[str]:
    """A sentence for every device on which the winner was measured."""
    lines = []
    for metric, entry in figures["winner"].get("measured", {}).items():
        others = [abs(one["measured"][metric]["error"]) for one in figures["runners_up"] if metric in one.get("measured", {})]
        beside = f"; of {len(others)} runners-up by {max(others):.1f} % at most" if others else ""
        lines.append(
            f"{metric}, measured here as a whole network: {entry['ms']:.2f} ms (spread {entry['spread']:.2f} ms); the "
            f"table said {entry['predicted']:.2f} ms, off by {entry['error']:+.1f} %{beside}."
        )
    return lines


def proxy_notes(figures: Mapping[str, Any]) -> list[str]:
    """What zero-cost proxies did, a sentence each."""
    found = figures["search"].get("proxies")
    if not found:
        return []
    lines = []
    uses = list(dict.fromkeys((*found["objectives"], *found["features"])))
    seen = f"networks at initialisation, at {found['at']}, with {found['images']} images of {found['data']}"
    lines.append(f"Zero-cost proxies score {seen}{': ' + ', '.join(uses) if uses else ''}.")
    if found["features"]:
        lines.append(f"The predictor also saw {', '.join(found['features'])}.")
    if found["warm_start"]:
        lines.append(f"The search began with {found['warm_start']}; random search did not.")
    filters = [f"A filter kept {one['text']} (limit {one['limit']:g}); random search had none." for one in found["filters"]]
    return lines + filters


def untrained_note(figures: Mapping[str, Any]) -> str:
    """Where the figures of a search without training are from."""
    source = figures["evaluated_by"]
    if source is None:
        return "Nothing was trained: every figure but the costs is that of untrained networks."
    proxies = (figures["search"].get("proxies") or {}).get("objectives", ())
    but = f" and {', '.join(proxies)}" if proxies else ""
    return f"Nothing was trained: every figure but the costs{but} is from {source}."


def measured(figures: Mapping[str, Any]) -> list[str]:
    """The figures that evaluations found: the objectives that are no costs, and the reward."""
    names = [one["name"] for one in figures.get("objectives", ()) if not one["cheap"]] or ["top1"]
    return [*names, *([figures["reward"]["name"]] if figures.get("reward") else [])]


def winner_line(figures: Mapping[str, Any], mark: str = "") -> str:
    """How good the winner is on the test images, in a sentence; `mark` stands around the figure."""
    data = figures["data"]
    metric = kind_in(data).metrics[0]
    value = f"{mark}{metric.format(figures['winner']['test'][metric.name])}{mark} {metric.title}"
    what = "accuracy" if metric.name == "top1" else "result"
    return f"Test {what} of the winner: {value} ({data['images']['test']} images)."


def measured_heading(name: str, figures: Mapping[str, Any]) -> str:
    """A column's title for what an evaluation found."""
    proxies = (figures["search"].get("proxies") or {}).get("objectives", ())
    title = METRICS[name].title if name in METRICS else name
    return f"validation {title}" if figures["kind"] == "search" and name not in proxies else name


def measured_shown(name: str, network: Mapping[str, Any]) -> str:
    """What an evaluation found; the table of a lookup may lack a figure."""
    value = network["validation"].get(name)
    if value is None:
        return ""
    return METRICS[name].format(value) if name in METRICS else f"{value:.4g}"


def effort(figures: Mapping[str, Any]) -> str:
    """What the search and random search spent, in a sentence."""
    search, baseline = figures["search"], figures["random_search"]
    failures = f", {search['failures']} of which failed" if search["failures"] else ""
    refused = f"; {search['refused']} more were refused by a filter" if search.get("refused") else ""
    spent = f"{search['strategy']}: {search['evaluations']} evaluation{'s' * (search['evaluations'] != 1)}{failures}{refused}."
    return f"{spent} Random search had {baseline['evaluations']}." if baseline else spent


def search_readme(figures: Mapping[str, Any]) -> str:
    """The page of a finished search."""
    lines = [
        f"# {run_title(figures)}",
        "",
        winner_line(figures, "**"),
        "",
        *_networks(figures),
    ]
    lines += ["", effort(figures), ""]
    lines += [f"- {note}" for note in notes(figures)]
    onnx = figures["onnx"]
    lines += [
        "",
        f"`model.onnx` (operator set {onnx['opset']}, dynamic batch) was compared with PyTorch in onnxruntime: largest "
        f"difference {onnx['largest_difference']:.1e}, at most {onnx['tolerance']:.0e} is accepted.",
        "",
        "| file | holds |",
        "|---|---|",
        "| `manifest.json` | everything that was asked, versions, seeds |",
        "| `report.html` | this page with plots; it needs no network |",
        "| `results.json` | every figure of this page and more |",
        "| `winner.json` | the winning architecture and its figures |",
        "| `model.py`, `weights.safetensors` | the winner in plain PyTorch |",
        "| `model.onnx` | the winner for any ONNX runtime |",
        "| `preprocessing.json`, `model_card.md` | what its input must be; how good it is, what it costs and how to load it |",
        "| `study.journal` | every evaluation, as Optuna studies |",
        *(["| `left-out.txt` | images that could not be decoded |"] if figures["data"].get("left_out") else []),
        *(["| `supernet/` | the trained supernet, unless another one was used |"] * (not figures["training"]["separate"])),
        "",
        "Next:",
        "",
        *(f"    {command}" for command in figures["next"]),
        "",
    ]
    return "\n".join(lines)


def lookup_readme(figures: Mapping[str, Any]) -> str:
    """The page of a search that looked its evaluations up."""
    lines = [
        f"# {run_title(figures)}",
        "",
        *_networks(figures),
        "",
        effort(figures),
        "",
        f"- {untrained_note(figures)}",
        *(f"- {note}" for note in search_notes(figures)),
        "",
        "Next:",
        "",
        *(f"    {command}" for command in figures["next"]),
        "",
    ]
    return "\n".join(lines)


def _networks(figures: Mapping[str, Any]) -> list[str]:
    """Winner, runners-up and the best of random search, as a table."""
    names, found = columns(figures), measured(figures)
    titles = [*map(heading, names), *(measured_heading(name, figures) for name in found)]
    lines = ["| network | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for name, network in network_rows(figures):
        cells = [shown_cost(metric, network) for metric in names] + [measured_shown(one, network) for one in found]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def training_readme(figures: Mapping[str, Any]) -> str:
    """The page of a run that only trained."""
    training = figures["training"]
    lines = [
        f"# {run_title(figures)}",
        "",
        f"{training['steps']:.0f} steps of {training['trainer']} in {training['seconds']:.0f} s; last loss "
        f"{training['last_loss']:.3f}; {figures['trained_at']}.",
        "",
        "Next:",
        "",
        *(f"    {command}" for command in figures["next"]),
        "",
    ]
    return "\n".join(lines)
