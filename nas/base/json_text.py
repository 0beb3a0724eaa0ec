"""Text that ought to be JSON, and may be anything."""

from __future__ import annotations

import json
from typing import Any


def parsed(text: str | bytes) -> Any:
    """What the text holds.

    Raises:
        ValueError: it is no JSON, is not in UTF-8, or is nested more deeply than Python can follow.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
