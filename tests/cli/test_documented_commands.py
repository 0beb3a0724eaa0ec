"""Every `nas` command that the README and the documents show is one that the program understands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from nas.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", *(str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs").rglob("*.md")))]
SHOWN = re.compile(r"^    (?:.* && )?nas +(\S.*?)(?: {2,}.*)?$", flags=re.MULTILINE)
"""An indented line; what stands after several spaces explains it."""


def shown(page: str) -> list[str]:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r" *\\\n *", " ", text)
    return [line for line in SHOWN.findall(text) if " | " not in line]


@pytest.mark.parametrize("page", [page for page in PAGES if shown(page)])
def test_commands_are_understood(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for line in shown(page):
        command, words = typer.main.get_command(app), shlex.split(line, comments=True)
        for word in words:
            if word.endswith(".toml"):  # a file of options is read with the command
                (tmp_path / word).touch()
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
        try:
            command.make_context("nas", words)
        except Exception as error:
            pytest.fail(f"nas {line}: {getattr(error, 'message', error)}")


def test_an_unknown_option_would_be_seen() -> None:
    assert shown("README.md")
    command = typer.main.get_command(app).commands["search"]  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="--no-such-option"):
        command.make_context("nas", ["--no-such-option"])
