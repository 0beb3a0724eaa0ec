"""What a network is built for."""

from __future__ import annotations

from dataclasses import dataclass

from nas.base.errors import NasError


@dataclass(frozen=True)
class Task:
    """Input and output of a network: images (N, channels, resolution, resolution), scores for `classes` classes."""

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
        outputs = "1 output" if self.classes == 1 else f"{self.classes} classes"
        return f"{self.resolution} px, {self.channels} channel{'s' * (self.channels > 1)}, {outputs}"
