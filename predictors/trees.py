"""Gradient-boosted regression trees, bagged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.predicting import Encoding, Predictor
from nas.predicting.quality import Numbers
from predictors.intervals import Intervals
from predictors.labels import Labels, Transform
from predictors.places import with_places
from predictors.rates import require_rates

AT_ONCE = 1024
"""Architectures predicted at a time."""


class Trees(Predictor):
    """Stochastic gradient boosting (Friedman, 2002), the mean over boosted models of bootstrap samples (Breiman, 1996).

    They read the features of the encoding and the places of options that are numbers.

    The models' disagreement is the uncertainty; its scale comes from the architectures that a model's sample left out
    (out of bag).

    Args:
        bags: how many boosted models.
        trees, depth, rate: of each model.
        share, columns: of the architectures and of the features that a tree, and a split, draws from.
        fewest: architectures in a leaf.
        transform: of the values; see `predictors.labels.Labels`.
    """

    summary = "gradient-boosted trees, bagged; from some hundred evaluations on, also with costs and proxies as features"
    source = "Friedman, Stochastic gradient boosting, 2002; Breiman, Bagging predictors, 1996"

    def __init__(
        self,
        encoding: Encoding,
        seed: int = 0,
        bags: int = 8,
        trees: int = 100,
        depth: int = 5,
        rate: float = 0.1,
        share: float = 0.8,
        columns: float = 0.3,
        fewest: int = 2,
        transform: Transform = "rank",
    ) -> None:
        super().__init__(with_places(encoding), seed)
        require_rates("trees", rate)
        if min(bags, trees, depth, fewest) < 1 or not (0 < share <= 1 and 0 < columns <= 1):
            raise NasError("predictor 'trees' needs at least one bag, tree, level and leaf, and shares above 0 and up to 1")
        self.bags, self.trees, self.depth, self.rate = bags, trees, depth, rate
        self.share, self.columns, self.fewest, self.transform = share, columns, fewest, transform

    def learn(self, rows: Rows, values: Numbers) -> None:
        """See `Predictor`."""
        features = self.encoding.features(rows).astype(np.float32)
        self._labels = Labels(self.transform, values)
        targets = self._labels.forward(values)
        found, out = [], np.ones((self.bags, len(rows)), dtype=bool)
        for bag in range(self.bags):
            rng = generator(self.seed, "trees", bag)
            sample = rng.integers(len(rows), size=len(rows))
            out[bag, sample] = False
            found += self._boosted(features[sample], targets[sample], int(rng.integers(2**31)))
        self._forest = _joined(found)
        scores = self._scores(features)
        left = out.any(axis=0)
        seen = np.ma.masked_array(scores, ~out)[:, left]
        mean, deviation = self._labels.spread(np.asarray(seen.mean(axis=0)), np.asarray(seen.std(axis=0)))
        # With very few values every one may be in every bag; the models' own errors then have to do.
        if not left.any():
            left, (mean, deviation) = ~left, self._labels.spread(scores.mean(axis=0), scores.std(axis=0))
        self._intervals = Intervals.of(mean, deviation, values[left])

    def estimate(self, rows: Rows) -> tuple[Numbers, Numbers]:
        """See `Predictor`."""
        parts = []
        for first in range(0, len(rows), AT_ONCE):
            features = self.encoding.features(rows[first : first + AT_ONCE]).astype(np.float32)
            scores = self._scores(features)
            parts.append(self._labels.spread(scores.mean(axis=0), scores.std(axis=0)))
        spread = np.concatenate([part[1] for part in parts])
        return np.concatenate([part[0] for part in parts]), self._intervals.deviation(spread)

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """See `Predictor`."""
        knots = {"knots": self._labels.knots, "scores": self._labels.scores}
        return {**self._forest, **knots, "intervals": self._intervals.array}

    def restore(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """See `Predictor`."""
        self._forest = {name: tensors[name] for name in ("feature", "threshold", "left", "right", "value")}
        self._labels = Labels.of(tensors["knots"], tensors["scores"])
        self._intervals = Intervals.from_array(tensors["intervals"])

    def _boosted(self, features: npt.NDArray[np.float32], targets: Numbers, seed: int) -> list[dict[str, npt.NDArray[Any]]]:
        """The trees of one boosted model; the rate, and the mean it starts from, are in the values of the leaves."""
        from sklearn.ensemble import GradientBoostingRegressor

        model = GradientBoostingRegressor(
            n_estimators=self.trees,
            max_depth=self.depth,
            learning_rate=self.rate,
            subsample=self.share,
            max_features=self.columns,
            min_samples_leaf=self.fewest,
            random_state=seed,
        ).fit(features, targets)
        start = float(targets.mean()) / self.trees
        found = []
        for tree in (estimator.tree_ for estimator in model.estimators_[:, 0]):
            nodes = np.arange(tree.node_count)
            leaf = tree.children_left < 0
            found.append(
                {
                    "feature": np.where(leaf, 0, tree.feature).astype(np.int32),
                    "threshold": tree.threshold,
                    "left": np.where(leaf, nodes, tree.children_left).astype(np.int32),
                    "right": np.where(leaf, nodes, tree.children_right).astype(np.int32),
                    "value": start + self.rate * tree.value[:, 0, 0],
                }
            )
        return found

    def _scores(self, features: npt.NDArray[np.float32]) -> Numbers:
        """(N, F) -> (bags, N): what each boosted model says, on the scale of the labels."""
        forest, size = self._forest, self._forest["feature"].shape[1]
        base = np.arange(0, self.bags * self.trees * size, size, dtype=np.int32)
        flat = {name: array.ravel() for name, array in forest.items()}
        line = np.arange(len(features))[:, None]
        place = np.broadcast_to(base, (len(features), len(base)))
        for _ in range(self.depth):
            goes_left = features[line, flat["feature"].take(place)] <= flat["threshold"].take(place)
            place = base + np.where(goes_left, flat["left"].take(place), flat["right"].take(place))
        found: Numbers = flat["value"].take(place).reshape(len(features), self.bags, self.trees).sum(axis=2).T
        return found


def _joined(trees: list[dict[str, npt.NDArray[Any]]]) -> dict[str, npt.NDArray[Any]]:
    """The trees as arrays (T, nodes), the short ones padded with nodes that are never reached."""
    size = max(len(tree["feature"]) for tree in trees)
    return {
        name: np.stack([np.pad(tree[name], (0, size - len(tree[name]))) for tree in trees]).astype(trees[0][name].dtype)
        for name in trees[0]
    }
