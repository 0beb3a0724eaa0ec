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


def memory_error(error: BaseException) -> str | None:
    """What an error says of memory that could not be had, in one line; None for an error of another kind.

    Libraries have their own: torch raises a RuntimeError for the processor's memory and one of a class of its own for a GPU's.
    """
    told = str(error).strip().splitlines()
    first = told[0] if told else type(error).__name__
    known = ("can't allocate memory", "not enough memory", "CUDA out of memory", "Unable to allocate", "std::bad_alloc")
    if isinstance(error, MemoryError) or any(words in first for words in known):
        return first
    return None


def first_line(error: Exception) -> str:
    """What an error of a library says, in one line with its kind: libraries write pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}"[:300] if lines else type(error).__name__
