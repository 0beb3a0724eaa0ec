"""The one exception for mistakes that a user can mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NasError(Exception):
    """What was given, what is legal, and what to do next, in one sentence or two.

    The command line prints the message alone and exits with code 2; a Python caller can catch it. Anything else that
    escapes is a fault of ours.
    """


def nearest(given: str, legal: Iterable[str]) -> str | None:
    """The legal name closest to what was typed, or None when nothing resembles it."""
    names = list(legal)
    folded = {name.lower(): name for name in names}
    found = difflib.get_close_matches(given.lower(), list(folded), n=1, cutoff=0.5)
    return folded[found[0]] if found else None


def unknown(kind: str, given: object, legal: Iterable[object], hint: str = "") -> NasError:
    """An error for a name that is not among the legal ones; it lists them and suggests the nearest."""
    names = [str(name) for name in legal]
    guess = nearest(str(given), names)
    suggestion = f" Did you mean '{guess}'?" if guess else ""
    listed = ", ".join(names) if names else "none is installed"
    return NasError(f"unknown {kind} '{given}'; legal: {listed}.{suggestion}{' ' + hint if hint else ''}")
