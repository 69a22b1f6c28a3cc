"""Holds what a watch brought against what there is: vanished jobs go, and a dead watch is found out."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from w2s_operator.cluster.api import Api
from w2s_operator.cluster.cache import Cache, Key
from w2s_operator.cluster.errors import ApiError
from w2s_operator.cluster.views import JobView

INTERVAL = 300.0
"""Seconds between two lists of all jobs."""
SUSPICION = 20.0
"""The same while one that was listed has not come: most come a moment later."""
LATE = 60.0
"""Seconds after which such a job shows that the watch is dead."""
LONGEST_WAIT = 30.0
"""Seconds between two attempts at a list that is refused, as long as the CRD is not installed."""
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

log = logging.getLogger(__name__)


class Audit:
    """Lists the jobs now and then."""

    def __init__(
        self,
        api: Api,
        paths: Mapping[str, str],
        jobs: Cache[JobView],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        Args:
            api: requests.
            paths: of the list of each namespace; "" for all of them.
            jobs: what the watch brought.
            clock: seconds, monotonic.
            sleep: waits for seconds.
        """
        self._api = api
        self._paths = paths
        self._jobs = jobs
        self._clock = clock
        self._sleep = sleep
        self._missing: dict[Key, tuple[int, float]] = {}
        """Listed in this version and not brought, since when."""
        self.late: Sequence[Key] = ()
        """Jobs that the last list still had, and that should have come long ago."""
        self.trouble = "jobs were not listed yet"
        """Why they cannot be listed; empty if they can."""

    async def first(self) -> None:
        """Returns once the jobs could be listed: the CRD is there, and we may read them."""
        wait = 1.0
        while not await self.look():
            await self._sleep(wait)
            wait = min(LONGEST_WAIT, 2 * wait)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._sleep(SUSPICION if self._missing else INTERVAL)
            await self.look()

    async def look(self) -> bool:
        """Lists all jobs; False if the server does not let us. The same trouble is told once."""
        try:
            versions = [await self._list(namespace, path) for namespace, path in self._paths.items()]
        except ApiError as error:
            if str(error) != self.trouble:
                log.warning("list of jobs: %s", error)
            self.trouble = str(error)
            return False
        self.trouble = ""
        listed = {key: version for of_namespace in versions for key, version in of_namespace.items()}
        now = self._clock()
        missing = {}
        for key, version in listed.items():
            awaited = self._missing.get(key, (version, now))
            if self._jobs.version(key) < awaited[0]:
                missing[key] = awaited
        self._missing = missing
        self.late = [key for key, (_, since) in missing.items() if now - since >= LATE]
        return True

    async def _list(self, namespace: str, path: str) -> dict[Key, int]:
        """Versions of the jobs of a namespace. Those that are known and not there are dropped."""
        found: dict[Key, int] = {}
        page: Mapping[str, Any] = {}
        token = ""
        while token or not page:
            params = {"limit": "500", **({"continue": token} if token else {})}
            page = await self._api.get(path, params, accept=_METADATA)
            for item in page["items"] or ():  # null where there are none
                meta = item["metadata"]
                found[meta["namespace"], meta["name"]] = int(meta["resourceVersion"])
            token = page["metadata"].get("continue", "")
        ours = {key for key in self._jobs.keys() if namespace in ("", key[0])}  # noqa: SIM118 - no mapping
        for key in ours - found.keys():
            self._jobs.drop(key, not_after=int(page["metadata"]["resourceVersion"]))
        return found
