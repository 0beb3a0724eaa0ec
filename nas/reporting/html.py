"""HTML from plain functions. Whatever is not HTML already is escaped, so that no text of a run is ever read as markup."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable
from typing import Any

EMPTY = frozenset({"br", "hr", "input", "meta"})
"""Elements that hold nothing and have no end."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = Any
"""Text, `Markup`, None for nothing, or several of them."""


def tag(element: str, *children: Child, **attributes: Any) -> Markup:
    """An element with escaped children and attributes.

    Args:
        children: see `Child`.
        attributes: `class_` for class, `data_point` for data-point; True for one without a value, None or False for none.
    """
    opened = f"<{element}{''.join(_attribute(name, value) for name, value in attributes.items())}>"
    if element in EMPTY:
        return Markup(opened)
    return Markup(f"{opened}{joined(children)}</{element}>")


def joined(children: Iterable[Child]) -> Markup:
    """Children one after the other."""
    return Markup("".join(map(_text, children)))


def data_block(name: str, content: Any) -> Markup:
    """JSON that scripts of the page read by its id, and that no browser runs, whatever it holds."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(f'<script type="application/json" id="{html.escape(name)}">{text}</script>')


def document(title: str, body: Markup, style: str, script: str, reaches: str = "'none'") -> str:
    """A whole page with its style and its only script.

    The page forbids itself every other script and every connection but those of `reaches`, so that even markup that slipped
    through would neither run nor call home.

    Args:
        style, script: texts of our own.
        reaches: what scripts may connect to, as a content security policy says it.
    """
    assert "</style" not in style and "</script" not in script
    policy = (
        f"default-src 'none'; script-src '{fingerprint(script)}'; style-src 'unsafe-inline'; img-src data:; "
        f"connect-src {reaches}; base-uri 'none'; form-action 'none'"
    )
    head = joined(
        [
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=policy),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("title", title),
            tag("style", Markup(style)),
        ]
    )
    page = tag("html", tag("head", head), tag("body", body, tag("script", Markup(script))), lang="en")
    return f"<!doctype html>\n{page}\n"


def fingerprint(script: str) -> str:
    """How a content security policy names one script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _text(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, list | tuple):
        return joined(child)
    return html.escape(str(child))


def _attribute(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    plain = name.rstrip("_").replace("_", "-")
    return f" {plain}" if value is True else f' {plain}="{html.escape(str(value))}"'
