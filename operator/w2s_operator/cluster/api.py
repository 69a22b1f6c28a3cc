"""An asynchronous client of the API server: few lines over aiohttp, at a rate of our own choosing.

The generated client of the `kubernetes` package is synchronous and builds an object for each field it reads;
of it we take the configuration (server, TLS, tokens and their renewal), which is the hard part.
"""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp
from kubernetes import client, config

from w2s_operator.cluster.errors import Unreachable, error_of

TIMEOUT = 30.0
"""Seconds for a request, from beginning to end."""
SILENCE = 90.0
"""Seconds without a byte after which a watch is taken for dead: bookmarks come once a minute."""
LOG_TIMEOUT = 5.0
"""Seconds for the end of a pod's log: a node that does not answer holds up the others'."""

FIELD_MANAGER = "w2s-operator"

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
        configuration: client.Configuration,
        bucket: Bucket,
        count: Callable[[str, int], None] = lambda _verb, _code: None,
    ) -> None:
        """
        Args:
            configuration: from a kubeconfig or from inside the cluster.
            bucket: of requests.
            count: is told the verb and status code of each request.
        """
        self._configuration = configuration
        self._bucket = bucket
        self._count = count
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = open_session(self._configuration)
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
            Gone: it is too old to go on from.
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
        url = self._configuration.host.rstrip("/") + path
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
        said = body if isinstance(body, dict) else {"message": f"{self._what}: {response.reason}"}
        raise error_of(response.status, said, response.headers.get("Retry-After"))

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        await self._inner.__aexit__(kind, error, trace)
        if isinstance(error, _BROKEN):  # in the middle of the answer
            raise self._unreachable(error) from error

    def _unreachable(self, error: BaseException) -> Unreachable:
        return Unreachable(0, "Unreachable", f"{self._what}: {type(error).__name__}: {error}")


_BROKEN = (aiohttp.ClientError, OSError, config.ConfigException)
"""What the network does (a timeout is an OSError), and a token that cannot be renewed."""


def _object(text: bytes, path: str) -> Json:
    """A JSON object; what a proxy may say in its place is no answer."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unreachable(0, "NotJson", f"{path}: no answer of an API server: {text[:80]!r}")
    return found


def open_session(
    configuration: client.Configuration, answered: Callable[[str, int], None] | None = None
) -> aiohttp.ClientSession:
    """A session with the server, TLS and proxy of a configuration, whose token is asked for with each request.

    Args:
        configuration: from a kubeconfig or from inside the cluster.
        answered: is told the URL and status code of each request; code 0: it was not answered.
    """

    async def authorize(_session: Any, _context: Any, what: aiohttp.TraceRequestStartParams) -> None:
        given = configuration.auth_settings().get("BearerToken")
        if given and given["value"]:
            what.headers["Authorization"] = given["value"]

    async def end(_session: Any, _context: Any, what: aiohttp.TraceRequestEndParams) -> None:
        if answered:
            answered(str(what.url), what.response.status)

    async def fail(_session: Any, _context: Any, what: aiohttp.TraceRequestExceptionParams) -> None:
        if answered:
            answered(str(what.url), 0)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(authorize)
    trace.on_request_end.append(end)
    trace.on_request_exception.append(fail)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=_tls(configuration), limit=0),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT),
        headers={"User-Agent": FIELD_MANAGER},  # which is who the fields that we write belong to
        proxy=_proxy(configuration),
        trace_configs=[trace],
    )


def load_configuration() -> client.Configuration:
    """From inside the cluster, else from KUBECONFIG or the user's kubeconfig."""
    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    return configuration


def _proxy(configuration: client.Configuration) -> str | None:
    host = urlsplit(configuration.host).netloc
    no_proxy = {"no": configuration.no_proxy or ""}
    return None if proxy_bypass_environment(host, no_proxy) else configuration.proxy or None


def _tls(configuration: client.Configuration) -> ssl.SSLContext | bool:
    if not configuration.host.startswith("https"):
        return False
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context
