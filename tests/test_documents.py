"""Every Python block of the README and the documents runs, in the order of its page."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from onnx_stand_in import without_exporter

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", *(str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs").rglob("*.md")))]

START = "docs/start.md"
"""Makes the README's search again, and an ONNX file of its winner."""


@pytest.mark.parametrize("page", [pytest.param(page, marks=[pytest.mark.slow] * (page == START)) for page in PAGES])
def test_code_blocks_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    used = any("model.onnx" in block for block in blocks)
    with contextlib.nullcontext() if used else without_exporter():
        for block in blocks:
            exec(compile(block, page, "exec"), names)


def test_the_table_in_the_documents_is_valid(tmp_path: Path) -> None:
    from nas.costs import load_table

    (block,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "tables.md").read_text(), flags=re.DOTALL)
    (tmp_path / "table.json").write_text(block)
    assert load_table(tmp_path / "table.json").name == "pixel1"
