"""What a search found, in order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.searching.arrays.sorting import best
from nas.searching.fronts import front_of, knee
from nas.searching.history import Trial
from nas.searching.problem import Objective, gains


def ranked(trials: Sequence[Trial], objectives: Sequence[Objective], chosen_by_target: bool = False) -> list[Trial]:
    """Successful trials, the best first.

    Those at the highest fidelity alone are compared. With one objective equals stand in the order of their loss on the
    validation images, where there is one, then of their evaluation. With several, the pick of the front comes first, then
    the rest of the front from the best in the first objective on, then the others by front and crowding. What is beyond the
    limit of an expensive objective comes last.

    Args:
        chosen_by_target: whether the pick of a front is its best member in the first objective, rather than its knee: where a
            target already bounds the other objectives.
    """
    done = comparable(trials)
    if not done:
        return []
    values = value_table(done, objectives)
    if len(objectives) == 1:
        order = sorted(range(len(done)), key=lambda i: (-values[i, 0], done[i].metrics.get("loss", 0.0)))
    else:
        front = front_of(values)
        pick = 0 if chosen_by_target else knee(values[front])
        members = [int(front[pick]), *(place for index, place in enumerate(front.tolist()) if index != pick)]
        order = members + [place for place in best(values, len(values)).tolist() if place not in set(members)]
    kept = accepted(done, objectives)
    return [done[place] for place in sorted(order, key=lambda place: not kept[place])]


def front(trials: Sequence[Trial], objectives: Sequence[Objective]) -> list[Trial]:
    """The trials that no other beats in all objectives, those of the last objective's best figures first: from the cheapest to
    the dearest, where the last objective is a cost."""
    done = comparable(trials)
    if not done:
        return []
    values = value_table(done, objectives)
    members = front_of(values)
    return [done[place] for place in members[np.argsort(-values[members, -1], kind="stable")].tolist()]


def comparable(trials: Sequence[Trial]) -> list[Trial]:
    """The successful trials of the highest fidelity."""
    done = [trial for trial in trials if trial.failure is None]
    most = max((trial.fidelity for trial in done), default=1.0)
    return [trial for trial in done if trial.fidelity == most]


def value_table(trials: Sequence[Trial], objectives: Sequence[Objective]) -> np.ndarray:
    """(N, M) figures, larger is better."""
    return np.array([gains(objectives, trial.row, trial.metrics) for trial in trials])


def accepted(trials: Sequence[Trial], objectives: Sequence[Objective]) -> list[bool]:
    """Which trials keep the limits of the expensive objectives; cheap ones were kept before anything was evaluated."""
    limits = [one for one in objectives if not one.cheap and one.limit is not None]
    return [all(one.sign * trial.metrics[one.name] >= one.sign * (one.limit or 0.0) for one in limits) for trial in trials]
