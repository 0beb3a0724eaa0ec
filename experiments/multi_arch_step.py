"""Several architectures in one forward and backward pass, against one pass of the largest network on the same batch.

Both sides inside the supernet with direct gradients, cross-entropy, fused AdamW. The architectures are those that the
`multi-arch` trainer draws once all options are available. Also the same architectures in passes of their own, each on its
share of the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from recording import alternate, arguments, ratio, record

from nas.architectures.decisions import Rows
from nas.elastic import DirectGradients, Slots
from nas.elastic.batched import slot_counts
from nas.supernet import Supernet, open_space
from nas.training.trainers.multi_arch import spread

SPACES, RESOLUTION, CLASSES, BATCH = ("vit:resnas-tiny", "vit:autoformer-t"), 224, 1000, 8
ARCHITECTURES = (2, 4, 8)


def steps(
    supernet: Supernet, direct: DirectGradients, rows: Rows, images: torch.Tensor, labels: torch.Tensor
) -> dict[str, Callable[[], None]]:
    """One training step of each side."""
    optimiser = torch.optim.AdamW(supernet.parameters(), lr=1e-5, fused=True)
    slots = Slots(supernet.network)
    largest = supernet.space.decisions.largest()[0]

    def step(passes: Callable[[], None]) -> Callable[[], None]:
        def whole() -> None:
            direct.begin()
            passes()
            direct.end()
            optimiser.step()

        return whole

    def of_largest() -> None:
        supernet.activate(largest)
        F.cross_entropy(supernet(images), labels).backward()

    def shared() -> None:
        with slots.running(supernet.settings(rows), slot_counts(len(images), len(rows))):
            F.cross_entropy(slots.run(images, supernet), labels).backward()

    def apart() -> None:
        for place, row in enumerate(rows):
            supernet.activate(row)
            scores = supernet(images[place :: len(rows)])
            (F.cross_entropy(scores, labels[place :: len(rows)]) * len(scores) / len(images)).backward()

    return {"largest": step(of_largest), "shared": step(shared), "apart": step(apart)}


def main() -> None:
    """Measure and record."""
    rounds = arguments(__doc__, rounds=7).rounds
    random = torch.Generator().manual_seed(0)
    images = torch.randn((BATCH, 3, RESOLUTION, RESOLUTION), generator=random).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (BATCH,), generator=random)
    figures: list[dict[str, object]] = []
    for name in SPACES:
        space = open_space(name)
        supernet = space.supernet(3, RESOLUTION, CLASSES).train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for count in ARCHITECTURES:
            rows = spread(space.decisions, space.decisions.cardinalities, count, np.random.default_rng(count))
            with DirectGradients(supernet) as direct:
                times = alternate(steps(supernet, direct, rows, images, labels), rounds)
            ms = {side: 1e3 * median(measured) for side, measured in times.items()}
            macs = space.compiled("macs")
            share = float(macs(rows).mean() / macs(space.decisions.largest())[0])
            figures.append(
                {
                    "space": name,
                    "architectures": count,
                    "their multiply-adds": share,
                    "largest_ms": ms["largest"],
                    "one_pass_ms": ms["shared"],
                    "own_passes_ms": ms["apart"],
                    "one pass / largest": ratio(times, "shared", "largest"),
                    "one pass / own passes": ratio(times, "shared", "apart"),
                }
            )
    record(__file__, figures, batch=BATCH, resolution=RESOLUTION, classes=CLASSES, rounds=rounds)


if __name__ == "__main__":
    main()
