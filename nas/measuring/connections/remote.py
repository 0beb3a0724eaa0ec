"""A device that has a shell: what is copied there, how the runner is followed, and what is fetched."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shlex
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from nas.base.errors import NasError
from nas.base.files import replacing
from nas.base.json_text import parsed
from nas.base.progress import Reporter
from nas.measuring.connections.connection import Connection, Listener, last_line, runner_failed
from nas.measuring.plan import Plan, programs
from nas.measuring.timings import read_timings

OLDEST = (3, 9)
"""Python that the runner needs."""

RESERVE = 1 << 20
"""Bytes that must stay free beside the models, for the timings."""


@dataclass(frozen=True)
class Answer:
    """What a command came to: exit code, output, errors."""

    code: int
    output: str
    error: str


class Remote(Connection):
    """A device with a POSIX shell, Python 3.9, numpy and the runtime.

    A plan has a folder of its own there, named after what is in the plan. Interrupted, the same plan finds its models and
    timings again; once everything is fetched the folder is removed.

    Args:
        address: as the user gave it, with the name of the entry point before the first colon.
        python: path on the device; None for python3.

    Attributes:
        root: folder on the device that holds those of the plans.
    """

    remote = True
    root: ClassVar[str]

    def __init__(self, address: str, python: str | None = None) -> None:
        self.title = address
        self.python = python or "python3"

    @abstractmethod
    def connected(self) -> AbstractContextManager[None]:
        """Reach the device; the methods below work inside. Raises NasError where it cannot be reached, or later gets lost."""

    @abstractmethod
    def execute(self, command: str, hear: Callable[[str], None] | None = None) -> Answer:
        """Run a shell command to its end; `hear` is given each line of its output at once."""

    @abstractmethod
    def send(self, source: Path, target: str) -> None:
        """Copy a file there. Raises NasError where it cannot be written."""

    def send_all(self, folder: Path, files: Sequence[str], target: str, sent: Callable[[int], None]) -> None:
        """Copy many files of a folder into one there, under the same names; `sent` is told how many are on their way."""
        for done, file in enumerate(files, 1):
            self.send(folder / file, f"{target}/{file}")
            sent(done)

    @abstractmethod
    def fetch(self, source: str, target: Path) -> None:
        """Copy a file from there, over what is here. Raises NasError where it cannot be read."""

    def require(self, plan: Plan, loader: Path) -> None:
        """See `Connection.require`."""
        with self.connected():
            self._require_python()
            self._send_programs(self.place(plan), programs(loader))
            self._check(self.place(plan))

    def run(self, folder: Path, plan: Plan, reporter: Reporter) -> None:
        """See `Connection.run`. What is there already is not copied again, and what was fetched whole is not timed again."""
        if read_timings(folder, plan).finished:
            return
        place = self.place(plan)
        with self.connected():
            self._send_programs(place, {**programs(folder / "loader.py"), "plan.json": folder / "plan.json"})
            self._send_models(folder, place, plan, self._check(place), reporter)
            listener = Listener(plan, reporter)
            try:
                answer = self.execute(f"{self._runner(place)} --take-over", listener.hear)
            finally:
                listener.finish()
            if answer.code:
                raise runner_failed(self.title, answer.code, answer.error)
            for name in ("timings.jsonl", "device.json"):
                with replacing(folder / name) as temporary:
                    self.fetch(f"{place}/{name}", temporary)
            if not read_timings(folder, plan).finished:
                raise NasError(f"what {self.title} sent back is not finished; the same command goes on")
            with contextlib.suppress(NasError):  # everything is here; the folder is found again by whoever cleans up
                self.execute(f"rm -rf {quoted(place)}")

    def place(self, plan: Plan) -> str:
        """The folder of a plan there."""
        return f"{self.root}/measure-{hashlib.sha256(plan.model_dump_json().encode()).hexdigest()[:16]}"

    def _require_python(self) -> None:
        hint = "name one with --python, such as --python '~/venv/bin/python'"
        answer = self.execute(f"{quoted(self.python)} -V")
        version = re.search(r"Python (\d+)\.(\d+)\S*", answer.output + answer.error)
        if version is None:
            said = last_line(answer.error or answer.output, answer.code)
            raise NasError(
                f"{self.title} has no {self.python} ({said}); install Python {'.'.join(map(str, OLDEST))} or newer, or {hint}"
            )
        if (int(version[1]), int(version[2])) < OLDEST:
            raise NasError(
                f"{self.python} of {self.title} is {version[0]}; the runner needs {'.'.join(map(str, OLDEST))} or newer: {hint}"
            )

    def _send_programs(self, place: str, files: Mapping[str, Path]) -> None:
        answer = self.execute(f"mkdir -p {quoted(f'{place}/models')}")
        if answer.code:
            said = last_line(answer.error or answer.output, answer.code)
            raise NasError(f"no folder can be made on {self.title}: {said}")
        for name, source in files.items():
            self.send(source, f"{place}/{name}")

    def _check(self, place: str) -> dict[str, Any]:
        """The runtime's version, free bytes and the models that are there."""
        answer = self.execute(f"{self._runner(place)} --check")
        if answer.code:
            said = last_line(answer.error or answer.output, answer.code)
            raise NasError(
                f"{self.title} cannot run models: {said}. Packages of a virtual environment: --python 'VENV/bin/python'"
            )
        try:
            found = parsed(answer.output.strip().splitlines()[-1])
            return {"free": int(found["free"]), "models": dict(found["models"])}
        except (ValueError, LookupError, TypeError) as error:
            raise NasError(f"{self.title} does not answer as the runner does: {answer.output.strip()[:200]}") from error

    def _send_models(self, folder: Path, place: str, plan: Plan, found: dict[str, Any], reporter: Reporter) -> None:
        """Copy the models that are not there, or not whole."""
        missing, needed = [], 0
        for model in plan.models:
            content = (folder / model.file).read_bytes()
            if found["models"].get(Path(model.file).name) != hashlib.sha256(content).hexdigest():
                missing.append(model.file)
                needed += len(content)
        if missing and needed + RESERVE > found["free"]:
            raise NasError(
                f"{self.title} has {found['free'] / 1e6:.0f} MB free where {self.root} is, and the models need "
                f"{needed / 1e6:.0f} MB; free some space there, then run the same command again"
            )
        before = len(plan.models) - len(missing)
        reporter.start("copying", len(plan.models), before)
        if missing:
            self.send_all(folder, missing, place, lambda done: reporter.advance(before + done))
        reporter.finish()

    def _runner(self, place: str) -> str:
        return f"{quoted(self.python)} {quoted(f'{place}/runner.py')} {quoted(place)}"


def quoted(path: str) -> str:
    """A path as one word of a shell; ~ at its beginning stays the home folder."""
    return f"~/{shlex.quote(path[2:])}" if path.startswith("~/") else shlex.quote(path)
