"""Files that are no longer what they were: bits, bytes, slices, figures and whole contents exchanged."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WORDS = ["-1", "0", "1e999", "NaN", "-Infinity", "1e308", "99999999999999999999", "null", "true", "[]", "{}"]
STRANGE = (*WORDS, '""', '"\\u0000"')
"""What takes the place of a figure or a word in a text."""

QUOTED = rb'"[^"\n]*"'
WORD = QUOTED + rb"|-?[0-9][0-9.eE+-]*|true|false|null"
"""What figures and words in a text look like."""

NESTED = 100_000
"""Depth of brackets that no reader expects."""


class Canary:
    """Unpickled, it makes a file: then code from a file was run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


def mutated(content: bytes, text: bool, canary: Path, rng: np.random.Generator) -> tuple[str, bytes]:
    """(what was done, the content after it).

    Args:
        text: whether figures and words can be exchanged.
        canary: a file that must not exist afterwards.
    """
    ways: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
        "bits": _bits,
        "cut": lambda given, rng: given[: int(rng.integers(0, len(given)))],
        "slice lost": _lost,
        "slice twice": _twice,
        "bytes inserted": _inserted,
        "zeros": _zeros,
        "empty": lambda given, rng: b"",
        "pickle": lambda given, rng: pickle.dumps(Canary(canary)),
        "pickle behind": lambda given, rng: given + pickle.dumps(Canary(canary)),
        "noise": lambda given, rng: rng.bytes(int(rng.integers(1, 4096))),
    }
    if text:
        ways |= {"word": _word, "word again": _word, "word once more": _word, "line": _line, "deep": _deep}
        ways |= {"key": _key, "key again": _key, "code": lambda given, rng: _code(given, canary, rng)}
    name = str(rng.choice(list(ways)))
    return name.split(" ")[0] if "again" in name or "more" in name else name, ways[name](content, rng)


def _place(given: bytes, rng: np.random.Generator) -> tuple[int, int]:
    """A slice: its beginning and its end. Beginnings of files, which hold what the rest means, are taken more often."""
    most = len(given) if rng.random() < 0.5 else min(len(given), 256)
    begin = int(rng.integers(0, max(most, 1)))
    return begin, min(len(given), begin + int(rng.integers(1, 65)))


def _bits(given: bytes, rng: np.random.Generator) -> bytes:
    found = bytearray(given)
    for _ in range(int(rng.integers(1, 9))):
        begin, _ = _place(given, rng)
        if found:
            found[min(begin, len(found) - 1)] ^= 1 << int(rng.integers(0, 8))
    return bytes(found)


def _lost(given: bytes, rng: np.random.Generator) -> bytes:
    begin, end = _place(given, rng)
    return given[:begin] + given[end:]


def _twice(given: bytes, rng: np.random.Generator) -> bytes:
    begin, end = _place(given, rng)
    return given[:end] + given[begin:end] + given[end:]


def _inserted(given: bytes, rng: np.random.Generator) -> bytes:
    begin, _ = _place(given, rng)
    return given[:begin] + rng.bytes(int(rng.integers(1, 17))) + given[begin:]


def _zeros(given: bytes, rng: np.random.Generator) -> bytes:
    begin, end = _place(given, rng)
    return given[:begin] + bytes(end - begin) + given[end:]


def _word(given: bytes, rng: np.random.Generator) -> bytes:
    """One figure or quoted word becomes something else."""
    begin, end = _span(WORD, given, rng)
    return given[:begin] + str(rng.choice(STRANGE)).encode() + given[end:] if end else given


def _span(pattern: bytes, given: bytes, rng: np.random.Generator) -> tuple[int, int]:
    """Where one of the places that a pattern matches begins and ends; twice 0 where there is none."""
    found = list(re.finditer(pattern, given))
    return found[int(rng.integers(0, len(found)))].span() if found else (0, 0)


def _line(given: bytes, rng: np.random.Generator) -> bytes:
    lines = given.split(b"\n")
    del lines[int(rng.integers(0, len(lines)))]
    return b"\n".join(lines)


def _deep(given: bytes, rng: np.random.Generator) -> bytes:
    """Brackets within brackets, alone or in the place of a figure or a word."""
    begin, end = _span(WORD, given, rng) if rng.random() < 0.5 else (0, 0)
    brackets = b"[" * NESTED + b"]" * NESTED
    return given[:begin] + brackets + given[end:] if end else brackets


def _key(given: bytes, rng: np.random.Generator) -> bytes:
    """A JSON object, or one of those in it, loses a key, gets one more, or holds another kind of thing under one."""
    try:
        content = json.loads(given)
    except ValueError:
        return _word(given, rng)
    inside = [content]
    for one in inside:
        inside += [part for part in (one.values() if isinstance(one, dict) else one) if isinstance(part, dict | list)]
    full = [one for one in inside if one]
    if not full:
        return given
    chosen = full[int(rng.integers(0, len(full)))]
    key = list(chosen)[int(rng.integers(0, len(chosen)))] if isinstance(chosen, dict) else int(rng.integers(0, len(chosen)))
    way = int(rng.integers(0, 3))
    if way == 0:
        del chosen[key]
    elif way == 1:
        chosen[key] = [None, -1, 1e300, "", "x" * 10_000, [], {}, [[]], True][int(rng.integers(0, 9))]
    elif isinstance(chosen, dict):
        chosen["surprise"] = chosen[key]
    else:
        chosen.append(chosen[key])
    return json.dumps(content).encode()


def _code(given: bytes, canary: Path, rng: np.random.Generator) -> bytes:
    """A word becomes an expression that a reader which evaluates would run."""
    begin, end = _span(QUOTED, given, rng)
    expression = f"__import__('pathlib').Path('{canary}').touch()"
    return given[:begin] + json.dumps(expression).encode() + given[end:] if end else given
