"""/healthz, /readyz and /metrics. Alive means: the watches are heard and the queue moves. Ready means: there is a
namespace whose jobs are looked at as they come."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aiohttp import web

from w2s_operator.metrics import Metrics

STALE = 180.0
"""Seconds without a word of a watch after which it is dead: bookmarks come about once a minute."""
STUCK = 120.0
"""Seconds that jobs may be ready without one being taken."""


@dataclass(frozen=True, slots=True)
class Watch:
    """How a watch is."""

    name: str
    heard: float
    """When it last said anything or was seen to fail, monotonic."""
    trouble: str = ""
    """Why it brings nothing now. It is tried again: that is no reason to replace the process."""
    patience: float = STALE
    """Seconds that it may be silent."""
    namespace: str = ""
    """The namespace that it watches; empty: all of them."""


class Health:
    """Asks the parts how they are."""

    def __init__(
        self,
        watches: Callable[[], Iterable[Watch]],
        standstill: Callable[[], float],
        more: Callable[[], Iterable[str]] = tuple,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            watches: all of them.
            standstill: for how many seconds jobs have been ready and none was taken.
            more: other problems.
            clock: seconds, monotonic.
        """
        self._watches = watches
        self._standstill = standstill
        self._more = more
        self._clock = clock

    def problems(self) -> list[str]:
        """Why this process should be replaced; empty if it should not."""
        now = self._clock()
        problems = [
            f"watch of {watch.name} silent for {now - watch.heard:.0f} s"
            for watch in self._watches()
            if now - watch.heard > watch.patience
        ]
        if self._standstill() > STUCK:
            problems.append(f"jobs have waited for {self._standstill():.0f} s")
        return [*problems, *self._more()]

    def troubles(self) -> dict[str, list[str]]:
        """Why the jobs of a namespace are not seen as they change, by namespace; empty where they are."""
        troubles: dict[str, list[str]] = {}
        for watch in self._watches():
            of_namespace = troubles.setdefault(watch.namespace, [])
            if watch.trouble:
                of_namespace.append(f"watch of {watch.name}: {watch.trouble}")
        return troubles

    def ready(self) -> bool:
        """Whether a namespace is as it should be: one without rights or without existence stops no other."""
        return not all(self.troubles().values())


async def serve(health: Health, metrics: Metrics, host: str, port: int) -> web.AppRunner:
    """Starts the server; the runner's `cleanup` ends it."""

    async def healthz(_request: web.Request) -> web.Response:
        problems = health.problems()
        return web.Response(text="\n".join(problems) or "ok", status=500 if problems else 200)

    async def readyz(_request: web.Request) -> web.Response:
        troubles = [trouble for of_namespace in health.troubles().values() for trouble in of_namespace]
        return web.Response(text="\n".join(troubles) or "ok", status=200 if health.ready() else 503)

    async def exposition(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})

    app = web.Application()
    app.add_routes(
        [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", exposition)]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
