"""Logging in by SSH, and what is said where that fails. Imports asyncssh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncssh

from hardware.connections.ssh_address import Address
from nas.base.errors import NasError


class _Client(asyncssh.SSHClient):
    """Keeps the key that the other side showed, where it is not a known one. It stays refused."""

    shown: asyncssh.SSHKey | None = None
    at: tuple[str, str, int] = ("", "", 0)

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """False, always."""
        self.shown, self.at = key, (host, addr, port)
        return False


async def login(title: str, address: Address, timeout: float, alive: float) -> asyncssh.SSHClientConnection:
    """A connection that stands.

    Args:
        title: of the device, for messages.
        timeout: seconds for reaching it, and again for logging in.
        alive: seconds between two questions whether the connection still stands.

    Raises:
        NasError: the machine is not reached, shows a key that is not known, or refuses the login.
    """
    client = _Client()
    given: dict[str, Any] = {"host": address.host}
    if address.port is not None:
        given["port"] = address.port
    if address.user is not None:
        given["username"] = address.user
    try:
        options = await asyncssh.SSHClientConnectionOptions.construct(config=(), **given)
        if options.known_hosts is None:
            # `UserKnownHostsFile none`, which asyncssh takes as leave to trust every key. Here it is the usual file.
            given["known_hosts"] = b""
        return await asyncssh.connect(
            **given,
            client_factory=lambda: client,
            connect_timeout=timeout,
            login_timeout=timeout,
            keepalive_interval=alive,
            keepalive_count_max=4,
        )
    except asyncssh.HostKeyNotVerifiable as error:
        raise _unknown_key(title, client, error.reason, options.known_hosts) from error
    except asyncssh.PermissionDenied as error:
        there = f"{options.username}@{address.host}"
        raise NasError(
            f"{title} refuses the login of '{options.username}' ({error.reason}). Put a key of yours there: ssh-copy-id "
            f"-p {options.port} {there}; a key with a passphrase must be in the agent: ssh-add"
        ) from error
    except (asyncssh.ConfigParseError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise NasError(f"your settings for {title} cannot be used: {error}; see ~/.ssh/config and your keys") from error
    except (OSError, asyncssh.Error, TimeoutError) as error:
        said = getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error) or "no answer in time"
        raise NasError(
            f"{title} is not reached: {said}. Is the address right, the machine on, and its SSH server running?"
        ) from error


def _unknown_key(title: str, client: _Client, reason: str, known_hosts: Any) -> NasError:
    """What the machine showed, and how to accept it."""
    if client.shown is None:
        return NasError(f"the key of {title} is not accepted: {reason}; see ~/.ssh/known_hosts")
    host, _, port = client.at
    usual = Path("~/.ssh/known_hosts").expanduser()
    trusted = asyncssh.match_known_hosts(known_hosts or (str(usual) if usual.is_file() else b""), *client.at)[0]
    shown = f"{client.shown.get_algorithm()} {client.shown.get_fingerprint()}"
    if trusted:
        name = host if port == 22 else f"[{host}]:{port}"
        return NasError(
            f"{title} shows another key than it used to ({shown}): either the machine was set up anew, or somebody stands "
            f"between. If you know it was set up anew, forget the old key, ssh-keygen -R '{name}', and accept the new one"
        )
    return NasError(
        f"{title} is not among your known hosts. It shows the key {shown}; compare it with what 'ssh-keygen -lf "
        f"/etc/ssh/ssh_host_ed25519_key.pub' prints on that machine. If it is the same, accept it: "
        f"ssh-keyscan -p {port} {host} >> ~/.ssh/known_hosts"
    )
