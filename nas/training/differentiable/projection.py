"""The nearest architecture parameters whose resource lies within bounds (Jin et al., RC-DARTS, 2019)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from nas.base.errors import NasError

BISECTIONS = 40
"""Between the last point outside a bound and the first one that is not."""

DOUBLINGS = 40
"""How often the weight of a broken bound is doubled at most."""

Points = Sequence[torch.Tensor]


def project(
    alphas: Points,
    resource: Callable[[Points], torch.Tensor],
    lower: float,
    upper: float,
    rate: float = 0.1,
    weight: float = 1.0,
    patience: int = 20,
    limit: int = 2_000,
) -> list[torch.Tensor]:
    """Descend |a - alpha|^2 / 2 + weight [R(a) - upper]+ / upper + weight [lower - R(a)]+ / lower from alpha until the bound is
    kept, then go back along the last step to where it just is.

    Parameters within the bounds are returned as they are.

    Args:
        resource: R, differentiable; given float64.
        lower, upper: what R may be; lower is less than upper.
        rate: of the descent.
        weight: of a broken bound at first; doubled after every `patience` steps, since the descent ends outside where the
            weight is too small for the distance.
        limit: steps in all.

    Raises:
        NasError: the bounds are not met within the limit.
    """
    origin = [alpha.detach().double() for alpha in alphas]

    def rounded(point: Points) -> list[torch.Tensor]:
        """As the architecture parameters will hold it, so that what is inside stays inside."""
        return [part.detach().to(alpha.dtype).double() for part, alpha in zip(point, alphas, strict=True)]

    def side(point: Points) -> int:
        """1 above the bounds, -1 below, 0 inside."""
        with torch.no_grad():
            value = float(resource(point))
        return int(value > upper) - int(value < lower)

    broken = side(origin)
    if broken == 0:
        return [alpha.detach() for alpha in alphas]
    point = origin
    for step in range(limit):
        leaves = [part.detach().requires_grad_() for part in point]
        value = resource(leaves)
        bound = upper if broken > 0 else lower
        gradients = torch.autograd.grad(broken * (value - bound) / max(abs(bound), 1e-12), leaves)
        force = weight * 2.0 ** min(step // patience, DOUBLINGS)
        moved = rounded(
            [
                part - rate * ((part - start) + force * gradient)
                for part, start, gradient in zip(point, origin, gradients, strict=True)
            ]
        )
        if side(moved) != broken:
            near, far = 0.0, 1.0
            for _ in range(BISECTIONS):
                middle = (near + far) / 2
                between = rounded([torch.lerp(a, b, middle) for a, b in zip(point, moved, strict=True)])
                near, far = (middle, far) if side(between) == broken else (near, middle)
            found = rounded([torch.lerp(a, b, far) for a, b in zip(point, moved, strict=True)])
            if side(found) == 0:
                return [part.to(alpha) for part, alpha in zip(found, alphas, strict=True)]
        point = moved
    raise NasError(
        f"no architecture parameters were found whose resource lies between {lower:g} and {upper:g}; it stayed at "
        f"{float(value.detach()):g}: choose bounds that the space can meet and that are further apart"
    )
