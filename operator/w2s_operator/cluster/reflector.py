"""Keeps projections of the objects of one kind: a paged list, then a watch, and again."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, TypeVar

from w2s_operator.cluster.api import Api, Json
from w2s_operator.cluster.errors import ApiError, Gone

PAGE = 500
"""Objects of one page of a list."""
RELIST = 300
"""Seconds after which a watch is ended and everything is listed again: what a watch missed is found."""
LONGEST_WAIT = 30.0
"""Seconds between two attempts at a server that is away, at most."""

Key = tuple[str, str]
"""(namespace, name)."""
View = TypeVar("View")
log = logging.getLogger(__name__)


class Reflector(Generic[View]):
    """Holds the projection of each object; tells of each that came, changed or went."""

    def __init__(
        self,
        api: Api,
        path: str,
        project: Callable[[Json], View],
        changed: Callable[[Key, View | None, View | None], None],
        *,
        selector: str = "",
        clock: Callable[[], float] = time.monotonic,
        spread: Callable[[], float] = random.random,
    ) -> None:
        """
        Args:
            api: requests.
            path: of the list, e.g. /apis/batch/v1/jobs.
            project: what is kept of an object; the rest is forgotten at once.
            changed: is told the key and the projections before and after, None where there is none.
            selector: of labels.
            clock: seconds, monotonic.
            spread: from 0 to 1, so that operators do not list in step.
        """
        self._api = api
        self._path = path
        self._project = project
        self._changed = changed
        self._selector = {"labelSelector": selector} if selector else {}
        self._clock = clock
        self._spread = spread
        self._items: dict[Key, View] = {}
        self._versions: dict[Key, int] = {}
        self.synced = asyncio.Event()
        self.heard = clock()
        """When the server last said anything: an object, or a bookmark."""

    def __iter__(self) -> Iterator[View]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: Key) -> View | None:
        """The projection of an object."""
        return self._items.get(key)

    def take(self, raw: Json) -> None:
        """An object as the server answered to a write of ours: it is known before the watch brings it."""
        self._put(raw)

    async def run(self) -> None:
        """Until it is cancelled."""
        failures = 0
        while True:
            try:
                version = await self._list()
                self.synced.set()
                failures = 0
                await self._watch(version)
            except Gone:
                continue
            except ApiError as error:
                failures += 1
                wait = min(LONGEST_WAIT, 0.5 * 2.0 ** min(failures, 10)) * (0.5 + self._spread() / 2)
                log.warning("watch of %s: %s; again in %.1f s", self._path, error, wait)
                await asyncio.sleep(max(wait, error.retry_after or 0.0))

    async def _list(self) -> str:
        seen: set[Key] = set()
        version = ""
        async for page in self._pages():
            version = page["metadata"]["resourceVersion"]
            self.heard = self._clock()
            for raw in page["items"]:
                seen.add(_key(raw))
                self._put(raw)
            await asyncio.sleep(0)  # a large list leaves room for others
        for key in self._items.keys() - seen:
            if self._versions[key] <= int(version):  # what was made since is not missing
                self._drop(key)
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
        seconds = int(RELIST * (0.8 + 0.4 * self._spread()))
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
            **self._selector,
        }
        async for event in self._api.lines(self._path, params):
            self.heard = self._clock()
            raw = event["object"]
            match event["type"]:
                case "ADDED" | "MODIFIED":
                    self._put(raw)
                case "DELETED":
                    self._drop(_key(raw))
                case "ERROR":
                    raise Gone(raw.get("code", 410), raw.get("reason", ""), raw.get("message", ""))

    def _put(self, raw: Json) -> None:
        key, version = _key(raw), int(raw["metadata"]["resourceVersion"])
        if version < self._versions.get(key, 0):
            return  # the answer to our own write was faster than the watch
        before = self._items.get(key)
        after = self._project(raw)
        self._versions[key] = version
        self._items[key] = after
        if before != after:
            self._changed(key, before, after)

    def _drop(self, key: Key) -> None:
        before = self._items.pop(key, None)
        self._versions.pop(key, None)
        if before is not None:
            self._changed(key, before, None)


def _key(raw: dict[str, Any]) -> Key:
    return raw["metadata"].get("namespace", ""), raw["metadata"]["name"]
