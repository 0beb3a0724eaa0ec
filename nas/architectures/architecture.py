"""An architecture: an immutable assignment of options to decisions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nas.base.errors import NasError
from nas.base.json_text import parsed
from nas.choices import Option


@dataclass(frozen=True)
class Architecture(Mapping[str, Option]):
    """The options of every decision that matters, in the space's order.

    A decision that does not matter (the kernel of a layer that depth switched off) is absent, so that equality and hash
    are those of the network. Build one with `SearchSpace.validate`, which drops what does not matter.
    """

    space: str
    decisions: tuple[tuple[str, Option], ...]

    def __getitem__(self, name: str) -> Option:
        for decision, option in self.decisions:
            if decision == name:
                return option
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.decisions)

    def __len__(self) -> int:
        return len(self.decisions)

    def __hash__(self) -> int:
        return hash((self.space, self.decisions))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Architecture):
            return NotImplemented
        return (self.space, self.decisions) == (other.space, other.decisions)

    def to_json(self) -> dict[str, Any]:
        """A JSON object: the space's name and the decisions that matter."""
        return {"space": self.space, "decisions": dict(self.decisions)}

    def __str__(self) -> str:
        return json.dumps(self.to_json())

    @staticmethod
    def parse(content: Any) -> tuple[str, dict[str, Option]]:
        """The space's name and the decisions in a JSON object; `SearchSpace.validate` turns them into an architecture.

        Raises NasError when the object is not an architecture.
        """
        if isinstance(content, str):
            try:
                content = parsed(content)
            except ValueError as error:
                raise NasError(f"this is not an architecture in JSON: {error}") from error
        if not isinstance(content, Mapping) or not isinstance(content.get("decisions"), Mapping):
            raise NasError('an architecture is written {"space": NAME, "decisions": {DECISION: OPTION, ...}}')
        decisions = dict(content["decisions"])
        for name, option in decisions.items():
            if not isinstance(option, int | float | str | bool):
                raise NasError(f"decision '{name}' holds {option!r}; an option is a number, a text or a truth value")
        return str(content.get("space", "")), decisions
