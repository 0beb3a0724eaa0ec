"""Letting a piece of work end before Ctrl-C takes effect."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def held_interrupt() -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C only makes the function that is handed out return True; a second one is raised at once.

    Whoever asks raises KeyboardInterrupt at a moment of his own. Python delivers signals to the main thread alone;
    elsewhere nothing is held.
    """
    came = False

    def hold(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if came:
            raise KeyboardInterrupt
        came = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, hold)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGINT, before)


class _OutOfTime(BaseException):
    """No `Exception`, and no `OSError` as `TimeoutError` is one: what runs must not take it for a file that cannot be read."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in what runs inside once so many seconds have passed.

    A library that holds Python up is interrupted when it comes back. Only the main thread can be interrupted; elsewhere, and
    on systems without interval timers, there is no limit.
    """

    def ring(number: int, frame: FrameType | None) -> None:
        raise _OutOfTime

    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _OutOfTime:
        raise out_of_time(seconds) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def out_of_time(seconds: float) -> TimeoutError:
    """What is said of an evaluation that its time limit ended."""
    return TimeoutError(f"not done after {seconds:g} s, the time limit of an evaluation")
