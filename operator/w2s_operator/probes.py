"""/healthz, /readyz and /metrics. Alive means: the watches are heard and the queue moves."""

import time
from collections.abc import Callable, Iterable, Mapping

from aiohttp import web

from w2s_operator.metrics import Metrics

STALE = 180.0
"""Seconds without a word of a watch after which it is dead: bookmarks come about once a minute."""
STUCK = 120.0
"""Seconds that a job may be ready without being looked at."""


class Health:
    """Asks the parts how they are."""

    def __init__(
        self,
        heard: Callable[[], Mapping[str, float]],
        oldest: Callable[[], float],
        synced: Callable[[], bool],
        more: Callable[[], Iterable[str]] = tuple,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            heard: of each watch, when it last said anything.
            oldest: for how many seconds the key that waits longest has been ready.
            synced: whether everything was listed once.
            more: other problems.
            clock: seconds, monotonic.
        """
        self._heard = heard
        self._oldest = oldest
        self._synced = synced
        self._more = more
        self._clock = clock

    def problems(self) -> list[str]:
        """Why this process should be replaced; empty if it should not."""
        now = self._clock()
        found = [
            f"watch of {name} silent for {now - heard:.0f} s"
            for name, heard in self._heard().items()
            if now - heard > STALE
        ]
        if self._oldest() > STUCK:
            found.append(f"a job has waited for {self._oldest():.0f} s")
        return [*found, *self._more()]

    def ready(self) -> bool:
        """Whether jobs are looked at."""
        return self._synced()


async def serve(health: Health, metrics: Metrics, host: str, port: int) -> web.AppRunner:
    """Starts the server; the runner's `cleanup` ends it."""

    async def healthz(_request: web.Request) -> web.Response:
        problems = health.problems()
        return web.Response(text="\n".join(problems) or "ok", status=500 if problems else 200)

    async def readyz(_request: web.Request) -> web.Response:
        return web.Response(
            text="ok" if health.ready() else "not synced", status=200 if health.ready() else 503
        )

    async def say(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", say)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
