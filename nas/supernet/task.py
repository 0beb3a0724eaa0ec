"""What a network is built for."""

from __future__ import annotations

from dataclasses import dataclass

from nas.base.errors import NasError


@dataclass(frozen=True)
class Task:
    """Input and output of a network: images (N, channels, resolution, resolution), and `classes` scores: one for each class,
    label or number."""

    channels: int = 3
    resolution: int = 224
    classes: int = 1000

    def __post_init__(self) -> None:
        for name in ("channels", "resolution", "classes"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise NasError(f"{name} must be a whole number of at least 1; given {value!r}")

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.channels, self.resolution, self.resolution

    def __str__(self) -> str:
        channels = f"{self.channels} channel{'s' * (self.channels > 1)}"
        return f"{self.resolution} px, {channels}, {self.classes} output{'s' * (self.classes > 1)}"
