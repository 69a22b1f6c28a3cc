"""Holds what a watch brought against what there is: vanished jobs go, and a dead watch is found out."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from w2s_api.names import GROUP, PLURAL
from w2s_operator.cluster.api import Api
from w2s_operator.cluster.cache import Cache, Key
from w2s_operator.cluster.errors import ApiError, Forbidden, NotFound, Unreachable
from w2s_operator.cluster.views import PackedJob

INTERVAL = 300.0
"""Seconds between two lists of all jobs."""
SUSPICION = 20.0
"""The same while one that was listed has not come, for most come a moment later, or a namespace cannot be listed."""
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
        jobs: Cache[PackedJob],
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
        self.trouble: dict[str, str] = dict.fromkeys(paths, "jobs were not listed yet")
        """Why they cannot be listed, by namespace; empty if they can."""

    async def first(self) -> None:
        """Returns once the jobs of a namespace could be listed: the CRD is there, and we may read them."""
        wait = 1.0
        while not await self.look():
            await self._sleep(wait)
            wait = min(LONGEST_WAIT, 2 * wait)

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            await self._sleep(SUSPICION if self._missing or any(self.trouble.values()) else INTERVAL)
            await self.look()

    async def look(self) -> bool:
        """Lists all jobs; False if the server lets us list none."""
        listed: dict[Key, int] = {}
        for namespace, path in self._paths.items():
            try:
                listed |= await self._list(namespace, path)
            except ApiError as error:
                self._note(namespace, error)
            except (LookupError, TypeError, ValueError) as error:
                self._note(
                    namespace, Unreachable(0, "NotUnderstood", f"no answer of an API server: {error!r}")
                )
            else:
                self._note(namespace, None)
        now = self._clock()
        missing = {}
        for key, version in listed.items():
            awaited = self._missing.get(key, (version, now))
            if self._jobs.version(key) < awaited[0]:
                missing[key] = awaited
        self._missing = missing
        self.late = [key for key, (_, since) in missing.items() if now - since >= LATE]
        return not all(self.trouble.values())

    def _note(self, namespace: str, error: ApiError | None) -> None:
        """Notes how the last list went; the log has a trouble once, and once that it is over."""
        trouble, before = str(error or ""), self.trouble[namespace]
        self.trouble[namespace] = trouble
        whose = f"jobs of {namespace or 'all namespaces'}"
        if error is not None and trouble != before:
            log.warning(
                "%s cannot be listed, and is tried again: %s%s", whose, error, _hint(error, namespace)
            )
        elif before and error is None:
            log.info("%s are listed", whose)

    async def _list(self, namespace: str, path: str) -> dict[Key, int]:
        """Returns the versions of the jobs of a namespace, and drops the known ones that are gone."""
        versions: dict[Key, int] = {}
        page: Mapping[str, Any] = {}
        token = ""
        while token or not page:
            params = {"limit": "500", **({"continue": token} if token else {})}
            page = await self._api.get(path, params, accept=_METADATA)
            for item in page["items"] or ():  # null where there are none
                meta = item["metadata"]
                versions[meta["namespace"], meta["name"]] = int(meta["resourceVersion"])
            token = page["metadata"].get("continue", "")
        known = {key for key in self._jobs.keys() if namespace in ("", key[0])}  # noqa: SIM118 - no mapping
        for key in known - versions.keys():
            self._jobs.drop(key, not_after=int(page["metadata"]["resourceVersion"]))
        return versions


def _hint(error: ApiError, namespace: str) -> str:
    """Says what to do about an error."""
    match error:
        case NotFound():
            return (
                f". The CRD {PLURAL}.{GROUP} is not installed: install the chart with crds.enabled=true,"
                f" or `kubectl apply --server-side -f crds/{PLURAL}.{GROUP}.yaml`."
            )
        case Forbidden() if namespace:
            return (
                f". Is there a namespace {namespace}, and has the operator its Role in it? The chart's"
                " watchNamespaces makes one in each, docs/install.md. Other namespaces do not wait for it."
            )
        case Forbidden():
            return ". It needs the ClusterRole that the chart makes with clusterWide=true, docs/install.md."
    return ""
