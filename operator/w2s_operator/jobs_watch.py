"""The state of kopf's watches of the jobs, and what keeps them going.

kopf ends the process after a 404, which is what the server answers while the CRD is replaced, and asks again at once
after a 401. It gets a connection error instead: after that it keeps trying, with pauses.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping

import aiohttp
from kubernetes.config import ConfigException

from w2s_operator.probes import Watch

JOBS_WATCH = 300
"""Seconds after which the watch of jobs is begun anew."""
JOBS_PATIENCE = JOBS_WATCH + 120.0
"""Seconds after which it is dead if it was not."""
FIRST_WAIT = 1.0
LONGEST_WAIT = 30.0
"""Seconds between two attempts of kopf: doubled with each."""

log = logging.getLogger(__name__)


class Pauses:
    """Between kopf's attempts, for as long as it takes: seconds."""

    def __iter__(self) -> Iterator[float]:
        pause = FIRST_WAIT
        while True:
            yield pause
            pause = min(LONGEST_WAIT, 2 * pause)


class JobsWatches:
    """One a namespace."""

    def __init__(self, paths: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            paths: of the list of each namespace; "" for all of them.
            clock: seconds, monotonic.
        """
        self._paths = paths
        self._clock = clock
        self._watches: dict[str, Watch] = {}

    def __iter__(self) -> Iterator[Watch]:
        return iter(self._watches.values())

    def begin(self) -> None:
        """From now on kopf should watch."""
        for namespace, path in self._paths.items():
            name = f"jobs of {namespace or 'all namespaces'}"
            self._watches[path] = Watch(name, self._clock(), "not begun", JOBS_PATIENCE, namespace)

    async def __call__(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Middleware of kopf's session."""
        path = next((path for path in self._paths.values() if request.url.path.endswith(path)), None)
        if path is None:
            return await send(request)
        try:
            response = await send(request)
        except asyncio.CancelledError:  # it took too long, or the process ends
            self._note(path, "the server does not answer")
            raise
        except (aiohttp.ClientError, OSError, ConfigException) as error:
            self._note(path, f"the server does not answer: {error}")
            raise aiohttp.ClientConnectionError(str(error)) from error
        if response.status >= 400:
            self._note(path, f"answered with {response.status}")
            response.close()
            if (
                response.status == 410 and "continue" in request.url.query
            ):  # the list is begun anew after that
                raise aiohttp.ClientPayloadError("the list has expired between two pages")
            raise aiohttp.ClientConnectionError(f"answered with {response.status}")
        self._note(path, "" if request.url.query.get("watch") == "true" else None)
        return response

    def _note(self, path: str, trouble: str | None) -> None:
        """Notes an answer. A trouble of None: a list was answered, which says nothing of the watch."""
        old = self._watches.get(path)
        if old is None:
            return
        trouble = old.trouble if trouble is None else trouble
        self._watches[path] = Watch(old.name, self._clock(), trouble, old.patience, old.namespace)
        if trouble != old.trouble:
            log.log(logging.WARNING if trouble else logging.INFO, "%s: %s", old.name, trouble or "watched")
