"""Configuration of the documentation site: `sphinx-build -W docs site`."""

from __future__ import annotations

import sys
import types
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "nas"
author = "the nas authors"
release = version = installed_version("nas-toolkit")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "installed_methods", "commands"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["extensions"]

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
# An indented line is a command of a shell; Python is fenced and named.
highlight_language = "console"

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_use_ivar = True
# Docstrings write code between single backquotes.
default_role = "code"

html_theme = "furo"
html_title = "nas"
html_theme_options = {"navigation_with_keys": True}


def left_out(app: Any, what: str, name: str, found: Any, skip: bool, options: Any) -> bool | None:
    """Defaults of fields that are Python's own functions would be described by Python's own words."""
    return True if isinstance(found, types.BuiltinFunctionType) else None


def setup(app: Any) -> None:
    """Registers the rule."""
    app.connect("autodoc-skip-member", left_out)
