"""Boards and servers that are reached by SSH, through asyncssh."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardware.connections.event_loop import EventLoop
from hardware.connections.ssh_address import parse_address
from nas.base.errors import NasError
from nas.measuring import Answer, Remote, last_line, quoted

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

SECONDS_TO_CONNECT = 20
SECONDS_ALIVE = 15
"""Between two questions whether the connection still stands; after four without an answer it is taken as lost."""

MARK = "nas-begins-here"
"""What a start-up file of the user's shell prints comes before this line."""


class Ssh(Remote):
    """A machine with an SSH server, as ssh://[USER@]HOST[:PORT].

    Keys, agent and ~/.ssh/config are used as `ssh` does; the machine's own key must be among the known hosts. Needs
    nothing there but a shell: files go through `cat`, as small servers have no SFTP.
    """

    root = ".cache/nas"

    def __init__(self, address: str, python: str | None = None) -> None:
        super().__init__(address, python)
        self._address = parse_address(address)
        self._connection: SSHClientConnection
        self._loop: EventLoop

    @contextlib.contextmanager
    def connected(self) -> Iterator[None]:
        """See `Remote`."""
        with EventLoop() as self._loop, self._told():
            from hardware.connections.ssh_login import login

            self._connection = self._loop.wait(login(self.title, self._address, SECONDS_TO_CONNECT, SECONDS_ALIVE))
            try:
                yield
            finally:
                self._connection.abort()

    def execute(self, command: str, hear: Callable[[str], None] | None = None) -> Answer:
        """See `Remote`."""
        lines: list[str] = []
        code, error = self._loop.wait(self._run(command, hear or lines.append))
        return Answer(code, "".join(lines), error)

    def send(self, source: Path, target: str) -> None:
        """See `Remote`."""
        done = self._loop.wait(self._connection.run(f"cat > {quoted(target)}", stdin=source, encoding=None))
        self._require_done(done, f"{target} cannot be written")

    def send_all(self, folder: Path, files: Sequence[str], target: str, sent: Callable[[int], None]) -> None:
        """See `Remote`. All in one command, as some boards take a second to start each."""
        code, error = self._loop.wait(self._stream(folder, files, target, sent))
        if code:
            raise NasError(f"{self.title}: {target} cannot be written: {last_line(error, code)}")

    def fetch(self, source: str, target: Path) -> None:
        """See `Remote`."""
        done = self._loop.wait(self._connection.run(f"echo {MARK} && cat {quoted(source)}", encoding=None))
        self._require_done(done, f"{source} cannot be read")
        assert isinstance(done.stdout, bytes)  # as no encoding was given
        target.write_bytes(done.stdout.partition(f"{MARK}\n".encode())[2])

    async def _stream(self, folder: Path, files: Sequence[str], target: str, sent: Callable[[int], None]) -> tuple[int, str]:
        """As a tar file, which Python unpacks there."""
        unpack = "import sys, tarfile; tarfile.open(fileobj=sys.stdin.buffer, mode='r|').extractall(sys.argv[1])"
        command = f"{quoted(self.python)} -c {shlex.quote(unpack)} {quoted(target)}"
        process = await self._connection.create_process(command, encoding=None)
        try:
            for done, file in enumerate(files, 1):
                content = (folder / file).read_bytes()
                entry = tarfile.TarInfo(file)
                entry.size = len(content)
                process.stdin.write(entry.tobuf() + content + bytes(-len(content) % tarfile.BLOCKSIZE))
                await process.stdin.drain()
                sent(done)
            process.stdin.write(bytes(2 * tarfile.BLOCKSIZE))
            process.stdin.write_eof()
        except BrokenPipeError:  # it ended before; why stands in its errors
            pass
        ended = await process.wait()
        return self._code(ended.exit_status, ended.exit_signal), _text(ended.stderr)

    async def _run(self, command: str, hear: Callable[[str], None]) -> tuple[int, str]:
        import asyncssh

        process = await self._connection.create_process(command, stdin=asyncssh.DEVNULL, errors="replace")
        errors = asyncio.create_task(process.stderr.read())
        try:
            async for line in process.stdout:
                hear(line)
            await process.wait_closed()
            text = await errors
        finally:
            # An interrupt: the runner there ends as well.
            process.terminate()
            process.close()
            errors.cancel()
            await asyncio.gather(errors, return_exceptions=True)
        return self._code(process.exit_status, process.exit_signal), text

    def _require_done(self, done: Any, what: str) -> None:
        code = self._code(done.exit_status, done.exit_signal)
        if code:
            raise NasError(f"{self.title}: {what}: {last_line(_text(done.stderr), code)}")

    def _code(self, status: int | None, signal: Any) -> int:
        """An exit code; a command that ended without one was cut off."""
        if status is not None and status >= 0:
            return status
        if signal is not None:
            return 128
        raise self._lost("the command was cut off")

    def _lost(self, why: object) -> NasError:
        return NasError(
            f"the connection to {self.title} was lost ({why}); what was timed is kept there, the same command goes on with it"
        )

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Say what goes wrong with a connection that stood."""
        try:
            yield
        except ImportError as error:
            raise NasError(
                "addresses that begin with ssh:// need asyncssh, which is not installed here; install it with: "
                "pip install 'nas-toolkit[remote]'"
            ) from error
        except OSError as error:
            raise self._lost(error.strerror or error) from error
        except Exception as error:
            import asyncssh

            if isinstance(error, asyncssh.Error):
                raise self._lost(error.reason or type(error).__name__) from error
            raise


def _text(said: bytes | str | None) -> str:
    """What a command wrote, where no encoding was asked for."""
    return said.decode("utf-8", errors="replace") if isinstance(said, bytes) else said or ""
