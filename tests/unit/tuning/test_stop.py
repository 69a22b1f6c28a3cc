import os
import signal

import pytest

from w2s_trainer.tuning.stop import StopRequest


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_it_is_noted_and_nothing_ends(name):
    with StopRequest() as stop:
        assert not stop.requested
        os.kill(os.getpid(), name)
        assert stop.requested


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_afterwards_the_handlers_are_what_they_were(name):
    before = signal.getsignal(name)
    heard = []
    signal.signal(name, lambda *_: heard.append(name))
    try:
        with pytest.raises(ZeroDivisionError), StopRequest():
            _ = 1 / 0
        os.kill(os.getpid(), name)
        assert heard == [name]
    finally:
        signal.signal(name, before)
