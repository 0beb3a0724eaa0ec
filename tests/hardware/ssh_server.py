"""OpenSSH's server on a high port of this machine, with throw-away keys; what is run through it is at home in a folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
MISSING = "OpenSSH's server is not installed (Debian: apt install openssh-server)"


@dataclass
class Server:
    """A server that runs.

    Attributes:
        home: of whoever logs in; whose ~/.ssh is used here as well.
        fingerprint: of the key it shows.
    """

    home: Path
    port: int
    user: str
    host_key: Path
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        """For --device."""
        return f"ssh://{self.user}@127.0.0.1:{self.port}"

    @property
    def fingerprint(self) -> str:
        """Of the key that it shows, as ssh-keygen prints it."""
        asked = ["ssh-keygen", "-lf", str(self.host_key)]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[1]

    def trust(self, key: Path | None = None) -> None:
        """Make its key, or another, a known one."""
        kind, text = (key or self.host_key).with_suffix(".pub").read_text().split()[:2]
        (self.home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{self.port} {kind} {text}\n")

    def cut(self) -> None:
        """End every connection, as a cable that is pulled; commands that run go on until they notice."""
        _kill(_descendants(self.process.pid))


@contextmanager
def ssh_server(folder: Path) -> Iterator[Server]:
    """A server, until the end of the block."""
    home, port, user = folder / "home", _free_port(), _user()
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    make_key(folder / "host")
    make_key(home / ".ssh/id_ed25519")
    shutil.copy(home / ".ssh/id_ed25519.pub", folder / "authorized")
    # A greeting, as start-up files print one; the home folder is not that of whoever runs the tests.
    command = f'cd {home} && export HOME={home} && echo welcome && exec sh -c "$SSH_ORIGINAL_COMMAND"'
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        "StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nPasswordAuthentication no\n"
        f"KbdInteractiveAuthentication no\nForceCommand {command}\n"
    )
    assert SSHD is not None
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it confines itself; the service makes the folder otherwise
    with (folder / "sshd.log").open("wb") as log:
        arguments = [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait(process, port, folder / "sshd.log")
        yield Server(home, port, user, folder / "host", process)
    finally:
        _kill([*_descendants(process.pid), process.pid])
        process.wait()


def make_key(path: Path) -> None:
    """A key pair without a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)


def _kill(processes: list[int]) -> None:
    for pid in processes:
        with suppress(ProcessLookupError):  # one that ended by itself meanwhile
            os.kill(pid, signal.SIGKILL)


def _descendants(parent: int) -> list[int]:
    """Processes of the server below its first one; not those that they run for others."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if int(rest.split()[1]) == parent and name.startswith("sshd"):
            pid = int(path.parent.name)
            found += [pid, *_descendants(pid)]
    return found
