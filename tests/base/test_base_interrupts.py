"""Ctrl-C waits for the work in progress, once."""

from __future__ import annotations

import signal
import threading

import pytest

from nas.base.interrupts import held_interrupt


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
