"""Pages that are written from the program itself, among the sources and before these are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def add_page(app: Any, page: str, text: Callable[[], str]) -> dict[str, bool]:
    """Write `page`, a path within the sources, where its text has changed; what an extension's `setup` returns."""

    def write(app: Any) -> None:
        file, found = Path(app.srcdir) / page, text()
        if not file.is_file() or file.read_text(encoding="utf-8") != found:
            file.write_text(found, encoding="utf-8")

    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
