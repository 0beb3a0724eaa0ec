"""A measurement as one zip file, for a machine that is not reached from here."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from nas.base.errors import NasError
from nas.base.files import replacing
from nas.measuring.plan import Plan, programs

README = """\
This folder times {models} small models with {runtime}. It needs Python 3.9 or newer, numpy and {runtime}, and nothing else:

    pip install numpy {runtime}
    python3 runner.py .

It may be interrupted at any moment; the same command goes on. Stop other programs meanwhile, as they disturb the timings.
At the end everything is in one file, results.json. Take that back to where the bundle was written, and make a table of it:

    nas devices add results.json --name NAME

In the bundle: runner.py, host.py and loader.py (what times the models), plan.json (what is timed, and how often) and models/.
"""

DATE = (2000, 1, 1, 0, 0, 0)
"""Of every file, so that the same models make the same bundle."""


def require_bundle(path: Path) -> None:
    """Raise NasError for a path that a bundle cannot have."""
    if path.suffix != ".zip":
        raise NasError(f"a bundle is a zip file; write --bundle {path.with_suffix('.zip')}, not {path}")


def write_bundle(folder: Path, plan: Plan, path: Path) -> None:
    """Write the zip file of a folder in which every model of a plan lies, whole or not at all.

    Everything in it lies in one folder, which has the name of the file.
    """
    top = re.sub(r"[^A-Za-z0-9._-]", "-", path.stem)
    names = [*programs(folder / "loader.py"), "plan.json", *(model.file for model in plan.models)]
    readme = README.format(models=len(plan.models), runtime=plan.runtime)
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bundle:
        bundle.writestr(_entry(f"{top}/README.txt"), readme)
        for name in names:
            bundle.writestr(_entry(f"{top}/{name}"), (folder / name).read_bytes())


def _entry(name: str) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name, DATE)
    found.compress_type = zipfile.ZIP_DEFLATED
    found.external_attr = 0o644 << 16
    return found
