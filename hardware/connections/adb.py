"""Android devices, and boards with Linux that run its debugging daemon, through the program adb."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from nas.base.errors import NasError
from nas.measuring import Answer, Remote, last_line, stream


class Adb(Remote):
    """A device that `adb devices` lists, as adb:SERIAL. Its shell must find a Python with numpy and the runtime.

    Raises:
        NasError: no serial number.
    """

    root = "/data/local/tmp/nas"

    def __init__(self, address: str, python: str | None = None) -> None:
        super().__init__(address, python)
        self._serial = address.partition(":")[2]
        if not self._serial or self._serial.startswith(("-", "/")):
            raise NasError(f"'{address}' names no device; write adb:SERIAL, with a serial number that 'adb devices' lists")

    @contextlib.contextmanager
    def connected(self) -> Iterator[None]:
        """adb keeps the connection; here the device is asked for."""
        code, state, error = self._adb("get-state")
        if code or state.strip() != "device":
            raise self._unreachable((error or state).strip())
        yield

    def execute(self, command: str, hear: Callable[[str], None] | None = None) -> Answer:
        """See `Remote`."""
        lines: list[str] = []
        try:
            code, error = stream(["adb", "-s", self._serial, "shell", command], hear or lines.append)
        except OSError as missing:
            raise _no_adb(missing) from missing
        if code and error.startswith(("adb: device", "error: ", "adb: no devices")):
            raise self._unreachable(error.strip())
        return Answer(code, "".join(lines), error)

    def send(self, source: Path, target: str) -> None:
        """See `Remote`."""
        self._copy("push", str(source), target)

    def fetch(self, source: str, target: Path) -> None:
        """See `Remote`."""
        self._copy("pull", source, str(target))

    def _copy(self, verb: str, source: str, target: str) -> None:
        code, output, error = self._adb(verb, source, target)
        if code:
            raise NasError(f"{self.title}: {source} was not copied: {last_line(error or output, code)}")

    def _adb(self, *arguments: str) -> tuple[int, str, str]:
        try:
            done = subprocess.run(
                ["adb", "-s", self._serial, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as missing:
            raise _no_adb(missing) from missing
        return done.returncode, done.stdout, done.stderr

    def _unreachable(self, said: str) -> NasError:
        hint = "connect it and switch USB debugging on; 'adb devices' lists what is reached"
        if "unauthorized" in said:
            hint = "unlock the device and allow this computer, then run the same command again"
        return NasError(f"{self.title} is not reached ({said.splitlines()[-1] if said else 'adb says nothing'}); {hint}")


def _no_adb(missing: OSError) -> NasError:
    return NasError(
        f"addresses that begin with adb: need the program adb, which is not found here ({missing}); install the "
        "Android platform tools (Debian: apt install adb)"
    )
