"""Keys that want attention. A key is handled by one worker at a time, and once however often it was added."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

FIRST_WAIT = 0.5
LONGEST_WAIT = 60.0
"""Seconds before a key whose handling failed is handled again: doubled with each failure in a row."""
SPARE = 64
"""Overtaken timers that are not worth a search."""

Key = TypeVar("Key")


class WorkQueue(Generic[Key]):
    """Ready keys in order, and a pool of those that are due later.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ready: dict[Key, float] = {}
        """Key → since when it waits; dicts keep their order."""
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._number = 0
        self._busy: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._moved = clock()
        self._wake = asyncio.Event()

    def add(self, key: Key) -> None:
        """Now."""
        if key in self._busy:
            self._again.add(key)
        elif key not in self._ready:
            self._ready[key] = self._clock()
            self._wake.set()

    def add_at(self, key: Key, due: float) -> None:
        """At a time of the clock, if nothing is due before."""
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            self._number += 1
            heapq.heappush(self._heap, (due, self._number, key))
            self._compact()
            self._wake.set()

    async def take(self) -> tuple[Key, float]:
        """The next key, and for how many seconds it was ready. `done` or `failed` must follow."""
        while True:
            self._promote()
            if self._ready:
                key = next(iter(self._ready))
                since = self._ready.pop(key)
                self._busy.add(key)
                self._moved = self._clock()
                return key, self._moved - since
            self._wake.clear()
            wait = max(0.0, self._heap[0][0] - self._clock()) if self._heap else None
            with suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it can swallow that a worker is cancelled while it wakes up.
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    def done(self, key: Key) -> None:
        """It was handled."""
        self._failures.pop(key, None)
        self._release(key)

    def failed(self, key: Key, at_least: float = 0.0) -> float:
        """It could not be handled: again after a while, or after `at_least` seconds. Returns the seconds."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        wait = max(at_least, min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 10)))
        self._again.discard(key)
        self._release(key)
        self.add_at(key, self._clock() + wait)
        return wait

    def forget(self, key: Key) -> None:
        """The object is gone: nothing of it is kept."""
        self._due.pop(key, None)
        self._failures.pop(key, None)
        self._compact()

    def standstill(self) -> float:
        """For how many seconds keys have been ready or overdue and none was taken. A long queue that moves stands
        at 0."""
        since = [*itertools.islice(self._ready.values(), 1), *(due for due, _, _ in self._heap[:1])]
        return max(0.0, self._clock() - max(self._moved, min(since))) if since else 0.0

    def __len__(self) -> int:
        return len(self._ready)

    def _release(self, key: Key) -> None:
        self._busy.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _compact(self) -> None:
        """Drops overtaken entries when they are the most: one that is due in a week would stay for a week."""
        if len(self._heap) > 2 * len(self._due) + SPARE:
            self._heap = [entry for entry in self._heap if self._due.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)

    def _promote(self) -> None:
        """What is due becomes ready; entries that were overtaken are dropped."""
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)
