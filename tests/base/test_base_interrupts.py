"""Ctrl-C waits for the work in progress, once."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from nas.base.errors import NasError
from nas.base.interrupts import held_interrupt, time_limit


def test_the_first_one_is_held_and_the_second_is_not() -> None:
    before = signal.getsignal(signal.SIGINT)
    with held_interrupt() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_hold_nothing() -> None:
    answers = []

    def work() -> None:
        with held_interrupt() as interrupted:
            answers.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]


def test_what_takes_errors_for_damaged_files_does_not_take_the_end_of_its_time_for_one() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeoutError, match=r"not done after 0\.05 s"), time_limit(0.05):
        try:
            time.sleep(5)
        except Exception as error:
            raise NasError("the image cannot be decoded") from error
    assert signal.getsignal(signal.SIGALRM) is before
