"""Keeps a cache as the API server has it: a paged list, then a watch, and again."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from w2s_operator.cluster.api import Api, Json
from w2s_operator.cluster.cache import Cache, Key, key_of
from w2s_operator.cluster.errors import ApiError, Gone, Unreachable, error_of

PAGE = 100
"""Objects of one page of a list, which is held at once: a pod is 80 KiB when it is read."""
RELIST = 300
"""Seconds after which a watch is ended and everything is listed again: what a watch missed is found."""
LONGEST_WAIT = 30.0
"""Seconds between two attempts at a server that is away, at most."""
SHORT = 5.0
"""Seconds that a watch must last, or the next list waits as if it had failed."""

log = logging.getLogger(__name__)


class Reflector:
    """Feeds a cache."""

    def __init__(
        self,
        api: Api,
        path: str,
        cache: Cache[Any],
        *,
        selector: str = "",
        clock: Callable[[], float] = time.monotonic,
        spread: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        Args:
            api: requests.
            path: of the list, e.g. /apis/batch/v1/jobs.
            cache: is fed.
            selector: of labels.
            clock: seconds, monotonic.
            spread: from 0 to 1, so that operators do not list in step.
            sleep: waits for seconds.
        """
        self._api = api
        self._path = path
        self._cache = cache
        self._selector = {"labelSelector": selector} if selector else {}
        self._clock = clock
        self._spread = spread
        self._sleep = sleep
        self.synced = asyncio.Event()
        """Set once everything was listed."""
        self.heard = clock()
        """When the server last said anything, an object or a bookmark, or was seen to be away."""
        self.trouble = "not listed yet"
        """Why this does not know how things are; empty when it does."""
        self._logged = False

    async def run(self) -> None:
        """Runs until it is cancelled."""
        failures = 0
        while True:
            began: float | None = None
            error: ApiError | None = None
            try:
                version = await self._list()
                self.synced.set()
                self._note("")
                began = self._clock()
                await self._watch(version)
            except ApiError as caught:
                error = caught
            except (LookupError, TypeError, ValueError) as caught:
                error = Unreachable(0, "NotUnderstood", f"no answer of an API server: {caught!r}")
            self.heard = self._clock()
            if began is not None and self.heard - began >= SHORT:
                failures = 0
                if error is None or isinstance(error, Gone):
                    continue  # as it should be: everything is to be listed now and then
            failures += 1
            await self._sleep(self._pause(failures, error))

    def _pause(self, failures: int, error: ApiError | None) -> float:
        """Returns seconds to wait before the next list after one that failed, or a watch that ended at once."""
        wait = min(LONGEST_WAIT, 0.5 * 2.0 ** min(failures, 10)) * (0.5 + self._spread() / 2)
        wait = max(wait, (error.retry_after if error else None) or 0.0)
        if error is not None and not isinstance(error, Gone):
            self._note(f"{self._path}: {error}")
        return wait

    def _note(self, trouble: str) -> None:
        """Notes the present trouble; the log has it once, and once that it is over."""
        if trouble and trouble != self.trouble:
            log.warning("watch of %s; tried again, with pauses up to %g s", trouble, LONGEST_WAIT)
        elif not trouble and self._logged:
            log.info("watch of %s goes on", self._path)
        self.trouble, self._logged = trouble, bool(trouble)

    async def _list(self) -> str:
        seen: set[Key] = set()
        version = "0"
        async for page in self._pages():
            version = page["metadata"]["resourceVersion"]
            self.heard = self._clock()
            for raw in page["items"] or ():
                seen.add(key_of(raw))
                self._cache.put(raw)
            await asyncio.sleep(0)  # a large list leaves room for others
        for key in self._cache.keys() - seen:
            self._cache.drop(key, not_after=int(version))
        return version

    async def _pages(self) -> AsyncIterator[Json]:
        token = ""
        while True:
            page = await self._api.get(
                self._path,
                {"limit": str(PAGE), **self._selector, **({"continue": token} if token else {})},
            )
            yield page
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def _watch(self, version: str) -> None:
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(int(RELIST * (0.8 + 0.4 * self._spread()))),
            **self._selector,
        }
        async for event in self._api.lines(self._path, params):
            self.heard = self._clock()
            raw = event["object"]
            match event["type"]:
                case "ADDED" | "MODIFIED":
                    self._cache.put(raw)
                case "DELETED":
                    self._cache.gone(raw)
                case "ERROR":
                    raise error_of(raw.get("code", 410), raw)
