"""An API server of a test's own, and objects as it would give them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from kubernetes import client

from w2s_operator.cluster.api import Api, Bucket
from w2s_operator.cluster.credentials import Credentials

Object = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CHILD_LABELS = {
    "app.kubernetes.io/managed-by": "w2s-operator",
    "w2s.dev/job-uid": "u-1",
    "w2s.dev/job": "one",
    "w2s.dev/stage": "prepare",
    "w2s.dev/run": "1",
}


class Clock:
    """Time that passes when a test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def meta(name: str, version: int, uid: str = "u-1", **more: Any) -> Object:
    return {
        "namespace": "legal",
        "name": name,
        "uid": uid,
        "resourceVersion": str(version),
        "creationTimestamp": "2026-01-01T00:00:00Z",
        **more,
    }


def pod(name: str, version: int = 1, *, running: bool = True, **more: Any) -> Object:
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}} if running else {}
    return {
        "metadata": meta(
            name, version, uid=f"p-{name}", labels=CHILD_LABELS | more.pop("labels", {}), **more
        ),
        "status": {"phase": "Running", "containerStatuses": [{"name": "stage", "state": state}]},
    }


def page(items: list[Object], version: int, token: str = "") -> Object:
    told = {"resourceVersion": str(version), **({"continue": token} if token else {})}
    return {"metadata": told, "items": items}


def status_of(code: int, reason: str, **more: Any) -> Object:
    return {"kind": "Status", "code": code, "reason": reason, "message": f"{reason} said so", **more}


def answer(body: Any, code: int = 200) -> web.Response:
    return web.Response(text=json.dumps(body), status=code, content_type="application/json")


def refuse(code: int, reason: str) -> web.Response:
    return answer(status_of(code, reason), code)


async def stream(request: web.Request, *events: Object, end: bool = True) -> web.StreamResponse:
    """Events of a watch, which then ends or stays open."""
    response = web.StreamResponse()
    await response.prepare(request)
    for event in events:
        await response.write(json.dumps(event).encode() + b"\n")
    if not end:
        await asyncio.Event().wait()
    return response


@dataclass
class Server:
    """Answers each request as the test says, and remembers it."""

    handler: Handler
    url: str = ""
    asked: list[web.Request] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.handler(request)


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Server]:
    server = Server(handler)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def configuration_of(url: str) -> client.Configuration:
    found = client.Configuration()
    found.host = url
    return found


@asynccontextmanager
async def api_of(handler: Handler) -> AsyncIterator[tuple[Api, Server]]:
    async with (
        serving(handler) as server,
        Api(Credentials(configuration_of(server.url)), Bucket(1e6, 1000)) as api,
    ):
        yield api, server


async def until(what: str, holds: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What is found as soon as it is true; a bound that is passed fails the test."""
    async with asyncio.timeout(seconds):
        while not (found := holds()):
            await asyncio.sleep(0.005)
    assert found, what
    return found


@asynccontextmanager
async def going(coroutine: Any) -> AsyncIterator["asyncio.Task[Any]"]:
    """Runs it beside the test, which fails if it ends with an error."""
    task = asyncio.create_task(coroutine)
    try:
        yield task
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
