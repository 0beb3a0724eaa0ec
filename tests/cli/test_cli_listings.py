"""What is installed, for people and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from nas.cli.app import app


@pytest.mark.parametrize("kind", ["spaces", "trainers", "strategies", "devices"])
def test_listings(kind: str) -> None:
    shown = CliRunner().invoke(app, [kind])
    assert shown.exit_code == 0
    listed = json.loads(CliRunner().invoke(app, [kind, "--json"]).stdout)[kind]
    assert listed
    assert all(row["name"] in shown.stdout for row in listed)


def test_one_device_by_its_alias() -> None:
    shown = CliRunner().invoke(app, ["devices", "pixel"]).stdout
    for needle in ("Google Pixel 1", "Apache-2.0", "224 px", "mbconv:single-path", "4.4905", "19.5999"):
        assert needle in shown
    table = json.loads(CliRunner().invoke(app, ["devices", "pixel", "--json"]).stdout)
    assert table["name"] == "pixel1"
    assert table["complete_for"] == ["mbconv:single-path"]


def test_unknown_device() -> None:
    result = CliRunner().invoke(app, ["devices", "pixle"])
    assert result.exit_code == 2
    assert "Did you mean 'pixel'" in result.stderr


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys\n"
        "from nas.cli.app import app\n"
        "heavy = {'torch', 'optuna', 'onnx', 'onnxruntime', 'sklearn', 'pyarrow', 'numpy', 'PIL'} & set(sys.modules)\n"
        "sys.exit(f'imported at the top: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
