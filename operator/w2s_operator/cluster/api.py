"""An asynchronous client of the API server: few lines over aiohttp, at a rate of our own choosing.

The generated client of the `kubernetes` package is synchronous and builds an object for each field it reads.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Self

import aiohttp
from kubernetes.config import ConfigException

from w2s_operator.cluster.credentials import Credentials, open_session
from w2s_operator.cluster.errors import Unreachable, error_of

TIMEOUT = 30.0
"""Seconds for a request, from beginning to end."""
SILENCE = 90.0
"""Seconds without a byte after which a watch is taken for dead: bookmarks come once a minute."""
LOG_TIMEOUT = 5.0
"""Seconds for the end of a pod's log: a node that does not answer holds up the others'."""

Json = dict[str, Any]
Params = Mapping[str, str]


class Bucket:
    """Lets so many requests a second pass, and so many at once after a pause.

    Args:
        rate: requests a second.
        burst: requests at once.
        clock: seconds, monotonic.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._left = float(burst)
        self._since = clock()

    def wait(self) -> float:
        """Takes one; seconds to wait before it may be used."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._since) * self._rate)
        self._since = now
        self._left -= 1
        return max(0.0, -self._left / self._rate)


class Api:
    """Requests to one API server."""

    def __init__(
        self,
        credentials: Credentials,
        bucket: Bucket,
        count: Callable[[str, int], None] = lambda _verb, _code: None,
    ) -> None:
        """
        Args:
            credentials: of ours.
            bucket: of requests.
            count: is called with the verb and status code of each request.
        """
        self._credentials = credentials
        self._bucket = bucket
        self._count = count
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = open_session(self._credentials)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str, params: Params | None = None, accept: str = "application/json") -> Json:
        """Reads an object or a list."""
        return await self._json("GET", path, params, accept=accept)

    async def create(self, path: str, body: Json, params: Params | None = None) -> Json:
        """Creates an object."""
        return await self._json("POST", path, params, body)

    async def merge(self, path: str, body: Json) -> Json:
        """Merges into an object (RFC 7396); with a resourceVersion in it, only if nobody else has changed it."""
        return await self._json("PATCH", path, None, body, content_type="application/merge-patch+json")

    async def delete(self, path: str, body: Json, params: Params | None = None) -> Json:
        """Deletes an object or, with a selector, several."""
        return await self._json("DELETE", path, params, body)

    async def text(self, path: str, params: Params) -> str:
        """Reads text, such as a pod's log."""
        await asyncio.sleep(self._bucket.wait())
        timeout = aiohttp.ClientTimeout(total=LOG_TIMEOUT)
        async with self._request("GET", path, params, timeout=timeout) as response:
            return await response.text(errors="replace")

    async def lines(self, path: str, params: Params) -> AsyncIterator[Json]:
        """Reads a watch until the server ends it.

        Raises:
            Gone: it is too old to be continued.
            Unreachable: it broke off.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT, sock_read=SILENCE)
        async with self._request("GET", path, params, timeout=timeout) as response:
            rest = b""
            try:
                async for chunk in response.content.iter_any():
                    *whole, rest = (rest + chunk).split(b"\n")
                    for line in whole:
                        if line:
                            yield _object(line, path)
            except (aiohttp.ClientError, OSError) as error:  # a timeout is an OSError
                raise Unreachable(0, "WatchBroken", f"{path}: {type(error).__name__}: {error}") from error

    async def _json(
        self,
        verb: str,
        path: str,
        params: Params | None,
        body: Json | None = None,
        *,
        accept: str = "application/json",
        content_type: str = "application/json",
    ) -> Json:
        await asyncio.sleep(self._bucket.wait())
        headers = {"Accept": accept}
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = json.dumps(body, separators=(",", ":")).encode()
        async with self._request(verb, path, params, data=data, headers=headers) as response:
            return _object(await response.read(), path)

    def _request(self, verb: str, path: str, params: Params | None, **more: Any) -> "_Request":
        url = self._credentials.configuration.host.rstrip("/") + path
        more.setdefault("timeout", aiohttp.ClientTimeout(total=TIMEOUT))
        inner = self._session.request(verb, url, params=params, **more)
        return _Request(inner, self._count, f"{verb} {path}")


class _Request:
    """One request; what the server refuses and what the network does become errors of ours."""

    def __init__(self, inner: Any, count: Callable[[str, int], None], what: str) -> None:
        self._inner, self._count, self._what = inner, count, what

    async def __aenter__(self) -> aiohttp.ClientResponse:
        verb = self._what.partition(" ")[0]
        try:
            response: aiohttp.ClientResponse = await self._inner.__aenter__()
        except _BROKEN as error:
            self._count(verb, 0)
            raise self._unreachable(error) from error
        self._count(verb, response.status)
        if response.status < 400:
            return response
        try:
            body = json.loads(await response.read())
        except (ValueError, *_BROKEN):
            body = None
        await self._inner.__aexit__(None, None, None)
        status = body if isinstance(body, dict) else {"message": f"{self._what}: {response.reason}"}
        raise error_of(response.status, status, response.headers.get("Retry-After"))

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        await self._inner.__aexit__(kind, error, trace)
        if isinstance(error, _BROKEN):  # in the middle of the answer
            raise self._unreachable(error) from error

    def _unreachable(self, error: BaseException) -> Unreachable:
        return Unreachable(0, "Unreachable", f"{self._what}: {type(error).__name__}: {error}")


_BROKEN = (aiohttp.ClientError, OSError, ConfigException)
"""What the network does (a timeout is an OSError), and a token that cannot be renewed."""


def _object(text: bytes, path: str) -> Json:
    """A JSON object; what a proxy may say in its place is no answer."""
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Unreachable(0, "NotJson", f"{path}: no answer of an API server: {text[:80]!r}")
    return answer
