"""The way to the API server and who we are there, as tokens, certificates and plugins are renewed.

The `kubernetes` package reads them, which is the hard part. What it does may take its time, as a plugin of a
kubeconfig does that asks a cloud: it is never done in the event loop.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp
from kubernetes import client, config

READ_AGAIN = 30.0
"""Seconds after which a token is read again. One that a kubelet projects is renewed minutes before its end."""
RENEW_AGAIN = 10.0
"""Seconds between two attempts to read everything anew for a server that does not know us, at least."""

FIELD_MANAGER = "w2s-operator"

log = logging.getLogger(__name__)


class Credentials:
    """What requests are made with."""

    def __init__(
        self,
        configuration: client.Configuration,
        load: Callable[[], client.Configuration] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            configuration: from a kubeconfig or from inside the cluster.
            load: reads it again.
            clock: seconds, monotonic.
        """
        self.configuration = configuration
        self.tls = _tls(configuration)
        self.version = 0
        """Grows whenever everything was read anew."""
        self._load = load
        self._clock = clock
        self._token = ""
        self._read = self._renewed = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None

    @property
    def proxy(self) -> str | None:
        """By which the server is reached, if by one."""
        host = urlsplit(self.configuration.host).netloc
        no_proxy = {"no": self.configuration.no_proxy or ""}
        return None if proxy_bypass_environment(host, no_proxy) else self.configuration.proxy or None

    async def authorization(self) -> str:
        """The header of that name; empty where there is none, as with a certificate.

        Raises:
            ConfigException, OSError: it cannot be read.
        """
        if self._clock() - self._read >= READ_AGAIN:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read_token())
            await asyncio.shield(self._reading)
        return self._token

    async def renew(self, used: int) -> bool:
        """The server does not know us any more, or we do not know it: reads everything anew.

        Args:
            used: the version of what it was tried with.

        Returns:
            Whether there is something newer to try it with.
        """
        going = self._renewing is not None and not self._renewing.done()
        if used == self.version and not going:
            if self._load is None or self._clock() - self._renewed < RENEW_AGAIN:
                return False
            self._renewed = self._clock()
            self._renewing = asyncio.create_task(self._load_again(self._load))
        if used == self.version and self._renewing is not None:
            await asyncio.shield(self._renewing)
        return used != self.version

    async def _read_token(self) -> None:
        settings: Any = await asyncio.to_thread(self.configuration.auth_settings)
        self._token = settings.get("BearerToken", {}).get("value") or ""
        self._read = self._clock()

    async def _load_again(self, load: Callable[[], client.Configuration]) -> None:
        try:
            configuration = await asyncio.to_thread(load)
            if isinstance(self.tls, ssl.SSLContext):
                _trust(self.tls, configuration)
        except (config.ConfigException, OSError) as error:  # what TLS cannot read is an OSError
            log.warning("credentials cannot be read anew: %s", error)
            return
        log.info("credentials were read anew")
        self.configuration = configuration
        self._read = float("-inf")
        self.version += 1


def open_session(credentials: Credentials, *around: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
    """A session whose requests are signed with what is valid now, and made again once if it no longer was.

    Args:
        credentials: of ours.
        around: middleware that sees each request before, and its answer after that.
    """

    async def sign(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        async def attempt() -> aiohttp.ClientResponse:
            if token := await credentials.authorization():
                request.headers["Authorization"] = token
            return await send(request)

        used = credentials.version
        try:
            response = await attempt()
        except aiohttp.ClientSSLError:
            if not await credentials.renew(used):
                raise
            return await attempt()
        if response.status == 401 and await credentials.renew(used):
            response.close()  # and its connection: who we are may have been said when it was made
            response = await attempt()
        return response

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=credentials.tls, limit=0),
        headers={"User-Agent": FIELD_MANAGER},  # which is who the fields that we write belong to
        proxy=credentials.proxy,
        middlewares=(*around, sign),
    )


def load_configuration() -> client.Configuration:
    """The configuration of the pod's service account, else that of KUBECONFIG or the user's kubeconfig."""
    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    return configuration


def _tls(configuration: client.Configuration) -> ssl.SSLContext | bool:
    if not configuration.host.startswith("https"):
        return False
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _trust(context, configuration)
    return context


def _trust(context: ssl.SSLContext, configuration: client.Configuration) -> None:
    """New connections use these. An authority that was trusted stays so until the process ends."""
    if configuration.ssl_ca_cert:
        context.load_verify_locations(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
