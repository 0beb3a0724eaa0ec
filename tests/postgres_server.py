"""A PostgreSQL server in a temporary folder, on a loopback port, run by an unprivileged user."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

USERS = ("postgres", "nobody")
"""Who may run the server where the tests are run by root, for whom it refuses to start."""


def program(name: str) -> str | None:
    """The path of one of the server's programs; Debian keeps them apart."""
    found = shutil.which(name)
    return found or next(iter(sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)), None)  # noqa: PTH207


def missing() -> str | None:
    """Why there can be no server here."""
    for name in ("initdb", "pg_ctl", "postgres"):
        if program(name) is None:
            return f"{name} is not installed (Debian package postgresql)"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed: pip install 'nas-toolkit[postgres]'"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "setpriv is not installed, and root may not run the server"
    return None


@contextlib.contextmanager
def running_server() -> Iterator[str]:
    """The address of its database, while inside."""
    folder = Path(tempfile.mkdtemp(prefix="nas-postgres-", dir="/tmp"))
    prefix: list[str] = []
    if os.geteuid() == 0:
        user = next(pwd.getpwnam(name) for name in USERS if any(one.pw_name == name for one in pwd.getpwall()))
        os.chown(folder, user.pw_uid, user.pw_gid)
        prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(name: str, *arguments: str) -> None:
        command = [*prefix, str(program(name)), *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    try:
        run("initdb", "-D", str(folder / "data"), "-U", "nas", "--auth=trust", "-E", "UTF8", "--no-sync")
        log = str(folder / "log")
        run("pg_ctl", "-D", str(folder / "data"), "-o", options, "-l", log, "-w", "start")
        try:
            yield f"postgresql://nas@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
