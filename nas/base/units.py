"""Reading and printing quantities: milliseconds, millijoules, multiply-adds, parameters, bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nas.base.errors import NasError, unknown


@dataclass(frozen=True)
class Quantity:
    """A kind of figure: its base unit and the factors of the units that may be written."""

    name: str
    base: str
    factors: dict[str, float]
    scaled: bool = True

    def parse(self, text: str) -> float:
        """The value in base units of '80ms', '300M', '2 MB', '5e6'. Raises NasError on anything else."""
        match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([A-Za-zµ]*)\s*", text)
        if match is None:
            raise NasError(f"'{text}' is not a {self.name}; write a number with a unit, such as {self.example()}")
        number, unit = float(match[1]), match[2]
        if unit not in self.factors:
            legal = [name for name in self.factors if name]
            raise unknown(f"unit of {self.name}", unit or "(none)", legal, f"Write for example {self.example()}.")
        return number * self.factors[unit]

    def format(self, value: float) -> str:
        """A short text with a fitting decimal unit, such as '78.30 ms' or '301.4 M'."""
        if not self.scaled:
            return f"{value:.2f} {self.base}".rstrip()
        unit, factor = "", 1.0
        for name, size in self.factors.items():
            if size > factor and abs(value) >= size and size % 1000 == 0:
                unit, factor = name, size
        shown = value / factor
        digits = f"{shown:.0f}" if factor == 1.0 else f"{shown:.2f}" if shown < 100 else f"{shown:.1f}"
        return f"{digits} {unit or self.base}".rstrip()

    def example(self) -> str:
        """One legal way of writing such a figure."""
        return {"latency": "80ms", "energy": "5mJ", "memory": "2MB"}.get(self.name, "300M")


LATENCY = Quantity("latency", "ms", {"ms": 1.0, "s": 1e3, "us": 1e-3, "µs": 1e-3}, scaled=False)
ENERGY = Quantity("energy", "mJ", {"mJ": 1.0, "J": 1e3, "uJ": 1e-3, "µJ": 1e-3}, scaled=False)
COUNT = Quantity("count", "", {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9})
MEMORY = Quantity(
    "memory", "B", {"B": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
)
