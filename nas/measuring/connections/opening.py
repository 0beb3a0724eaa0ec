"""The connection that an address stands for."""

from __future__ import annotations

import re
from pathlib import Path

from nas.base import plugins
from nas.base.errors import NasError, unknown
from nas.base.files import read_json, write_json
from nas.measuring.connections.connection import Connection
from nas.measuring.connections.here import Here
from nas.measuring.connections.remote import Remote

SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):(.*)", re.DOTALL)
"""An address: how the device is reached, and which one."""


def open_connection(device: str, python: str | None = None) -> Connection:
    """The device that a name or an address stands for; a plain name is this machine.

    The part of an address before its first colon names an entry point in `nas.connections`, a class that is made from the
    whole address and the Python to use there.

    Args:
        python: path of the device's Python; None for python3.

    Raises:
        NasError: nothing connects to such addresses, or this one is not well formed.
    """
    match = SCHEME.fullmatch(device)
    if match is None:
        if python is not None:
            raise NasError("--python is the Python of a device that is reached by an address; this machine uses the one of nas")
        return Here()
    known = plugins.installed("connections")
    if match[1] not in known:
        raise unknown(
            "kind of address",
            f"{match[1]}:",
            [f"{name}:" for name in known],
            "For example --device ssh://user@board; a name without a colon is this machine.",
        )
    found = plugins.load("connections", match[1], "connection")(device, python)
    if not isinstance(found, Remote):
        raise NasError(f"the connection '{match[1]}' is no nas.measuring.Remote but {type(found).__name__}")
    return found


def claim(folder: Path, connection: Connection) -> None:
    """Note in a folder which device it is timed on, so that one never holds timings of two.

    Raises:
        NasError: it holds timings of another device.
    """
    path = folder / "connection.json"
    if path.exists():
        content = read_json(path, "note of a device")
        known = content.get("device") if isinstance(content, dict) else None
    else:
        known = Here.title if (folder / "timings.jsonl").exists() else None
    if known is not None and known != connection.title:
        raise NasError(
            f"{folder} holds timings of {known}, not of {connection.title}; give another --out, or delete that folder"
        )
    write_json(path, {"device": connection.title})
