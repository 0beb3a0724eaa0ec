"""Estimates of operators that a table lacks: the MBConv blocks of the Note 10 tables, predicted by others of the same table.

Each table is one resolution and is treated by itself, as a user's is. Operators are left out a tenth at a time, or all of the
same input and output shapes together. `gp` is what `--allow-estimates` uses, with its covariance fitted anew without what is
left out; beside it are other regressors on the same features, with or without multiply-adds and parameters of the block.
"""

from __future__ import annotations

import argparse
import re
import warnings
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recording import RESULTS, record
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import RidgeCV
from torch import nn

from nas.choices import make_divisible
from nas.costs import OperatorKey, layers, operator_key, parse_key
from nas.costs.key_features import KeyFeatures
from nas.costs.regressor import fitted_covariance
from nas.elastic import walk
from search_spaces.mbconv.blocks import MBConv

RESOLUTIONS = (160, 176, 192, 208, 224)
FOLDS = 10
ENTRY = re.compile(
    r"expanded_conv-input:(\d+)x(\d+)x(\d+)-output:(\d+)x(\d+)x(\d+)-expand:(\d+)-kernel:(\d+)-stride:(\d+)-idskip:(\d)-se:(\d)-hs:(\d)"
)
ACTIVATIONS = {"relu": nn.ReLU, "hardswish": nn.Hardswish}

Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Features and logarithms of what is known, features of what is left out -> its logarithms."""


def note10(path: Path) -> tuple[list[OperatorKey], np.ndarray]:
    """The blocks of a table, and their milliseconds."""
    keys, milliseconds = [], []
    name = ""
    for line in path.read_text().splitlines():
        if not line.startswith(" "):
            name = line.rstrip(":")
        elif line.strip().startswith("mean:") and (match := ENTRY.fullmatch(name)):
            keys.append(block_key(*map(int, match.groups())))
            milliseconds.append(float(line.split(":")[1]))
    return keys, np.array(milliseconds)


def block_key(
    height: int, width: int, inputs: int, out_height: int, out_width: int, outputs: int, middle: int, *flags: int
) -> OperatorKey:
    """A block of the source as this project writes it."""
    kernel, stride, shortcut, squeeze, hard_swish = flags
    attributes = {
        "act": "hardswish" if hard_swish else "relu",
        "expand": middle // inputs,
        "kernel": kernel,
        "residual": shortcut,
        "squeeze": make_divisible(middle // 4, 8) if squeeze else 0,
        "stride": stride,
    }
    return parse_key(operator_key("mbconv", (inputs, height, width), (outputs, out_height, out_width), attributes))


def work(key: OperatorKey) -> list[float]:
    """Logarithms of multiply-adds and parameters of a block, from its definition."""
    told: dict[str, Any] = dict(key.attributes)
    block = MBConv(
        key.inputs[0],
        key.output[0],
        told["kernel"],
        told["expand"],
        told["stride"],
        ACTIVATIONS[told["act"]],
        told["squeeze"] or None,
        bool(told["residual"]),
    )
    layer = layers(walk(block, key.inputs), {})[0]
    return [float(np.log(layer.macs)), float(np.log(layer.params))]


def gp(known: np.ndarray, logs: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The product's regressor."""
    centred = logs - logs.mean()
    process = GaussianProcessRegressor(fitted_covariance(known, centred), optimizer=None).fit(known, centred)
    found: np.ndarray = process.predict(asked) + logs.mean()
    return found


def fitted(make: Callable[[], Any]) -> Fit:
    """A regressor of scikit-learn."""

    def fit(known: np.ndarray, logs: np.ndarray, asked: np.ndarray) -> np.ndarray:
        found: np.ndarray = make().fit(known, logs).predict(asked)
        return found

    return fit


REGRESSORS: dict[str, Fit] = {
    "gp": gp,
    "boosted trees": fitted(
        lambda: GradientBoostingRegressor(n_estimators=400, learning_rate=0.05, max_depth=4, subsample=0.7, random_state=0)
    ),
    "random forest": fitted(lambda: RandomForestRegressor(n_estimators=300, max_features=0.5, random_state=0)),
    "ridge": fitted(lambda: RidgeCV(np.logspace(-6, 1, 8))),
}


def held_out(fit: Fit, features: np.ndarray, logs: np.ndarray, groups: Sequence[Hashable]) -> np.ndarray:
    """Logarithms of all operators, each predicted by those of other groups."""
    found = np.empty(len(logs))
    for group in dict.fromkeys(groups):
        left = np.array([other == group for other in groups])
        found[left] = fit(features[~left], logs[~left], features[left])
    return found


def study(data: Path, seed: int) -> tuple[list[dict[str, Any]], dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]]:
    """Lines of figures, and of `gp` without further features measured and predicted milliseconds by what was left out."""
    tables = {side: note10(data / f"note10-ofa-{side}.yaml") for side in RESOLUTIONS}
    rng = np.random.default_rng(seed)
    tenths = {side: list(rng.permutation(len(keys)) % FOLDS) for side, (keys, _) in tables.items()}
    figures, shown = [], {}
    for extra in (False, True):
        for name, fit in REGRESSORS.items():
            for what in ("operators", "shapes"):
                errors = {}
                for side, (keys, milliseconds) in tables.items():
                    features = KeyFeatures(keys)(keys)
                    if extra:
                        more = np.array([work(key) for key in keys])
                        features = np.concatenate([features, (more - more.mean(axis=0)) / more.std(axis=0)], axis=1)
                    groups = tenths[side] if what == "operators" else [(key.inputs, key.output) for key in keys]
                    predicted = np.exp(held_out(fit, features, np.log(milliseconds), groups))
                    errors[side] = np.abs(predicted / milliseconds - 1)
                    if name == "gp" and not extra:
                        shown[what, side] = milliseconds, predicted
                every = np.concatenate(list(errors.values()))
                figures.append(
                    {
                        "regressor": name,
                        "multiply_adds": "yes" if extra else "no",
                        "left_out": what,
                        "operators": len(every),
                        "within_5": 100 * float(np.mean(every <= 0.05)),
                        "within_10": 100 * float(np.mean(every <= 0.1)),
                        "mape": 100 * float(every.mean()),
                        **{f"within_10_at_{side}": 100 * float(np.mean(one <= 0.1)) for side, one in errors.items()},
                    }
                )
                print(figures[-1], flush=True)
    return figures, shown


def plot(shown: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]) -> None:
    """Predicted against measured, for operators and for whole shapes that were left out."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panel, axes = pyplot.subplots(1, 2, figsize=(9.6, 4.6), sharex=True, sharey=True)
    for axis, what in zip(axes, ("operators", "shapes"), strict=True):
        for place, side in enumerate(RESOLUTIONS):
            axis.loglog(*shown[what, side], ".", color=f"C{place}", label=f"{side} px", markersize=5)
        line = np.array([0.3, 12.0])
        axis.fill_between(line, 0.9 * line, 1.1 * line, color="0.85", label="within 10 %", zorder=0)
        axis.plot(line, line, color="0.5", linewidth=0.8)
        axis.set(title=f"{what} left out", xlabel="measured, ms")
    axes[0].set_ylabel("predicted, ms")
    axes[0].legend(fontsize="small")
    panel.suptitle("MBConv blocks of OFA-MobileNetV3 on a Samsung Note 10, predicted by the others of their table")
    panel.tight_layout()
    panel.savefig(RESULTS / "operator_estimates.png", dpi=100)


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with note10-ofa-160.yaml and its like")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    figures, shown = study(given.data, given.seed)
    plot(shown)
    record(__file__, figures, folds=FOLDS, seed=given.seed)


if __name__ == "__main__":
    main()
