"""A local page that lists runs, compares them, and follows one that is running. It reads, and never writes."""

from nas.watching.server import Watcher

__all__ = ["Watcher"]
