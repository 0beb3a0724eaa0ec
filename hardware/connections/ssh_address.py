"""What ssh:// addresses mean."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from nas.base.errors import NasError


@dataclass(frozen=True)
class Address:
    """Where to log in. What is None is decided by ~/.ssh/config or is usual for SSH."""

    host: str
    port: int | None
    user: str | None


def parse_address(address: str) -> Address:
    """The parts of ssh://[USER@]HOST[:PORT].

    Raises:
        NasError: it is none, or holds a password.
    """
    legal = f"'{address}' is no address of a device; write ssh://user@host or ssh://user@host:port"
    try:
        parts = urlsplit(address)
        host, port, user = parts.hostname, parts.port, parts.username
    except ValueError as error:
        raise NasError(f"{legal} ({error})") from error
    if parts.password is not None:
        raise NasError(f"{parts.scheme}://{user}@{host} was given with a password, which is not used; log in by a key")
    if not host or parts.path not in ("", "/") or parts.query or parts.fragment or host.startswith("-"):
        raise NasError(legal)
    written = parts.netloc.rpartition("@")[2]
    if host.lower() == host and not written.startswith("["):
        # urlsplit makes hosts lower-case, and aliases in ~/.ssh/config need not be.
        host = written.partition(":")[0]
    return Address(host, port, user)
