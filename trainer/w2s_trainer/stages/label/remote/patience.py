"""When to ask again, and when to give up. Pure but for the dice and the clock, which are given."""

import threading
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from math import isfinite

PATIENCE = 300.0
"""Seconds without any good answer, after which the endpoint is taken for gone."""
FIRST, LONGEST = 0.5, 30.0
"""Seconds before the first and between later attempts."""


class Gone(Exception):
    """No good answer for too long; says for how many seconds."""


class Patience:
    """Shared by all requests: as long as some are answered, the others are asked again.

    Args:
        clock: seconds, monotonic.
        dice: numbers from 0 to 1.
        patience: seconds.
    """

    def __init__(
        self, clock: Callable[[], float], dice: Callable[[], float], patience: float | None = None
    ) -> None:
        self._clock, self._dice = clock, dice
        self._patience = PATIENCE if patience is None else patience
        self._good = clock()
        self._lock = threading.Lock()
        self.successes = 0

    def succeeded(self) -> None:
        """An answer came."""
        with self._lock:
            self._good = self._clock()
            self.successes += 1

    def wait(self, attempt: int, asked_for: float | None) -> float:
        """Seconds to wait before asking again.

        Exponential with full jitter (Brooker 2015, "Exponential backoff and jitter"), over half of the span, so that
        those who failed together do not come back together.

        Args:
            attempt: how many have failed, from 1.
            asked_for: what the endpoint asks for (`Retry-After`); it is granted.

        Raises:
            Gone: it would be longer without a good answer than there is patience.
        """
        longest = min(LONGEST, FIRST * 2.0 ** min(attempt - 1, 16))
        wait = max(asked_for or 0.0, longest * (0.5 + self._dice() / 2))
        with self._lock:
            silent = self._clock() - self._good
        if silent + wait > self._patience:
            raise Gone(silent)
        return wait


class Pace:
    """Spaces requests evenly.

    Args:
        per_minute: at most so many are begun in a minute; None: any number.
        clock: seconds, monotonic.
    """

    def __init__(self, per_minute: int | None, clock: Callable[[], float]) -> None:
        self._space = 60.0 / per_minute if per_minute else 0.0
        self._clock = clock
        self._next = clock()
        self._lock = threading.Lock()

    def wait(self) -> float:
        """Seconds until this request may begin."""
        with self._lock:
            now = self._clock()
            begin = max(self._next, now)
            self._next = begin + self._space
        return begin - now


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that an endpoint asks to wait: `retry-after-ms`, or `Retry-After` as seconds or as a date (RFC 9110,
    10.2.3).

    Args:
        headers: names in lower case.
        now: seconds since 1970.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        return max(0.0, seconds) if isfinite(seconds) else None
    try:
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - now)
    except (KeyError, ValueError, TypeError):
        return None
