"""What `import nas` gives."""

from __future__ import annotations

import subprocess
import sys

import pytest

import nas


def test_every_name_resolves() -> None:
    for name in nas.__all__:
        assert getattr(nas, name) is not None
    assert set(nas.__all__) <= set(dir(nas))


def test_names_that_are_also_verbs_are_callable_whatever_was_imported_before() -> None:
    import nas.jobs

    assert callable(nas.search)
    assert callable(nas.space)
    assert callable(nas.export)
    assert callable(nas.jobs.search)


def test_devices_are_a_mapping() -> None:
    assert "pixel1" in nas.devices
    assert nas.devices["pixel"].name == "pixel1"
    with pytest.raises(nas.NasError, match="pixel1"):
        nas.devices["pixle1"]


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        nas.nonsense  # noqa: B018


def test_importing_is_light() -> None:
    code = "import sys, nas; sys.exit(bool({'torch', 'numpy', 'optuna'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
