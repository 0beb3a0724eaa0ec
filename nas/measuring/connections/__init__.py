"""Where a plan is run: on this machine, or on a device that is reached from it."""

from nas.measuring.connections.connection import Connection, last_line
from nas.measuring.connections.opening import claim, open_connection
from nas.measuring.connections.remote import Answer, Remote, quoted
from nas.measuring.connections.streaming import stream

__all__ = ["Answer", "Connection", "Remote", "claim", "last_line", "open_connection", "quoted", "stream"]
