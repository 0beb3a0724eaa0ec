"""A browser without a window, where there is one, and what a page did in it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

PATIENCE = 15_000
"""Milliseconds after which something that a page should do is taken not to happen."""


@contextlib.contextmanager
def opened_browser() -> Iterator[Any]:
    """Chromium; skips the tests that need it where it, or what drives it, is missing."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip("Chromium is not installed")
    with driver.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=["--headless", "--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Seen:
    """A page in a window of its own.

    Attributes:
        requests: what it asked for besides itself.
        complaints: errors, and what it wrote to the console.
    """

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def overflows(self) -> bool:
        """Whether the page can be pushed sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


@contextlib.contextmanager
def seen(browser: Any, address: str, width: int = 1280, **options: Any) -> Iterator[Seen]:
    """A page, opened; `options` are those of a browser context, such as `color_scheme`."""
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    found = Seen(context.new_page())
    found.page.on("console", lambda message: found.complaints.append(message.text))
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.set_default_timeout(PATIENCE)
    found.page.goto(address)
    found.requests.remove(address)
    yield found
    context.close()
