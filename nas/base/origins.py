"""Where in somebody else's code an error began."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import FrameType

LIBRARIES = frozenset({"nas", "torch", "numpy", "fvcore", "networkx", "onnx", "onnxruntime", "onnxscript", "onnx_ir"})
"""Packages that a space stands on: their lines are never its own."""


def origin(error: BaseException) -> str:
    """'file.py:LINE' of the innermost line that is neither a library's nor Python's own; '' where there is none.

    An error that was raised from another one began where that one did.
    """
    causes: list[BaseException] = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    for cause in reversed(causes):
        if isinstance(cause, SyntaxError) and cause.filename and Path(cause.filename).exists():
            return f"{Path(cause.filename).name}:{cause.lineno}"
        for frame, line in reversed(list(traceback.walk_tb(cause.__traceback__))):
            if _own(frame):
                return f"{Path(frame.f_code.co_filename).name}:{line}"
    return ""


def caller() -> str:
    """'file.py:LINE' of the innermost line being run that is neither a library's nor Python's own; '' where there is none."""
    for frame, line in traceback.walk_stack(None):
        if _own(frame):
            return f"{Path(frame.f_code.co_filename).name}:{line}"
    return ""


def _own(frame: FrameType) -> bool:
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return package not in LIBRARIES and package not in sys.stdlib_module_names
