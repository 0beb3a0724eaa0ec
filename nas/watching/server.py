"""Serving the local page: to this machine alone, and for reading alone."""

from __future__ import annotations

import errno
import json
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from nas.base.errors import NasError
from nas.runs import RunFolder
from nas.watching.finding import readable, runs_in, shown
from nas.watching.page import page_of
from nas.watching.studies import Studies
from nas.watching.summaries import details_of, summary_of

HERE = "127.0.0.1"
NAMES = (HERE, "localhost")
"""What a browser on this machine calls it. A page from elsewhere whose name was made to lead here is told apart by its own."""

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

APART = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
"""For the page of a run, which may come from a stranger: its scripts run, but as those of no site, and reach nothing."""

SECONDS = 30
"""After which a connection that says nothing is closed."""


class Watcher(ThreadingHTTPServer):
    """The server of one folder of runs.

    Args:
        folder: holds runs, or is one.
        port: 0 for any that is free.

    Raises:
        NasError: no such folder, or the port is taken.
    """

    daemon_threads = True

    def __init__(self, folder: str | Path, port: int = 0) -> None:
        self.folder = Path(folder)
        self.studies = Studies()
        runs_in(self.folder)
        try:
            super().__init__((HERE, port), _Handler)
        except (OSError, OverflowError) as error:
            taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            why = "is in use by another program" if taken else f"cannot be used: {error}"
            raise NasError(f"port {port} {why}; name another one with --port, or 0 for any that is free") from error

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that closed its window; of anything else as usual."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://{HERE}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Watcher
    timeout = SECONDS

    def do_GET(self) -> None:
        """Answer with the page, a run's report, or JSON."""
        host, _, port = self.headers.get("Host", "").partition(":")
        if host not in NAMES or (port or "80") != str(self.server.server_port):
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"This page is for the machine that it runs on.\n")
            return
        try:
            kind, _, name = urlsplit(self.path).path.lstrip("/").rpartition("/")
            self._answer(kind, unquote(name))
        except NasError as error:
            self._json({"error": str(error)}, HTTPStatus.NOT_FOUND)
        except (ValueError, FileNotFoundError, PermissionError) as error:
            # An address that is none, or a file that is gone since it was looked for.
            self._json({"error": f"this cannot be read: {type(error).__name__}"}, HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET

    def _answer(self, kind: str, name: str) -> None:
        """Names are looked up among the runs that are there, and never become paths."""
        runs = runs_in(self.server.folder)
        if (kind, name) == ("", ""):
            self._send(HTTPStatus.OK, "text/html", page_of(shown(self.server.folder)).encode())
        elif (kind, name) == ("api", "runs"):
            found = [summary_of(run, path, self.server.studies) for run, path in runs.items()]
            self._json({"folder": shown(self.server.folder), "runs": found})
        elif kind == "api/run" and name in runs:
            self._json(details_of(name, runs[name], self.server.studies))
        elif kind == "report" and name in runs and (file := readable(RunFolder(runs[name]).report)) is not None:
            self._send(HTTPStatus.OK, "text/html", file.read_bytes(), {"Content-Security-Policy": APART})
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"There is nothing here.\n")

    def _json(self, content: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(status, "application/json", json.dumps(content, allow_nan=False).encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the page asks every two seconds."""

    def version_string(self) -> str:
        """No versions for whoever asks."""
        return "nas"
