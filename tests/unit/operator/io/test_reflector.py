"""A cache is kept as the API server has it, whatever the server does; and never in a hot loop."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from io_kit import Handler, answer, api_of, going, page, pod, refuse, status_of, stream, until

from w2s_operator.cluster.cache import Cache
from w2s_operator.cluster.reflector import LONGEST_WAIT, Reflector
from w2s_operator.cluster.views import child_pod_of
from w2s_operator.observed import ChildPod

PATH = "/api/v1/pods"


class Bench:
    """A reflector, its cache, and the pauses that it makes, which take no time."""

    def __init__(self, api: Any, clock: Callable[[], float] = lambda: 0.0) -> None:
        self.changed: list[Any] = []
        self.cache: Cache[ChildPod] = Cache(child_pod_of, self.changed.append)
        self.pauses: list[float] = []
        self.troubles: list[str] = []
        self.reflector = Reflector(
            api, PATH, self.cache, selector="a=b", clock=clock, spread=lambda: 1.0, sleep=self._sleep
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.troubles.append(self.reflector.trouble)
        await asyncio.sleep(0.001)

    def names(self) -> set[str]:
        return {one.name for one in self.cache}


def reflect(
    handler: Handler, test: Callable[[Bench, Any], Any], clock: Callable[[], float] = lambda: 0.0
) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20), api_of(handler) as (api, server):
            bench = Bench(api, clock)
            async with going(bench.reflector.run()):
                await test(bench, server)

    asyncio.run(bounded())


def watches(request: web.Request) -> bool:
    return request.query.get("watch") == "true"


def test_pages_are_read_to_the_end_and_then_changes():
    async def handler(request: web.Request) -> web.StreamResponse:
        if watches(request):
            gone = pod("b", 12)
            return await stream(
                request,
                {"type": "ADDED", "object": pod("c", 11)},
                {"type": "DELETED", "object": gone},
                {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "20"}}},
                {"type": "SOMETHING NEW", "object": {}},
                end=False,
            )
        if "continue" not in request.query:
            return answer(page([pod("a", 1)], 10, token="more"))
        return answer(page([pod("b", 2)], 10))

    async def test(bench: Bench, server: Any) -> None:
        await until("c", lambda: bench.names() == {"a", "c"})
        assert [one.query["labelSelector"] for one in server.asked] == ["a=b"] * 3
        assert server.asked[2].query["resourceVersion"] == "10"
        assert server.asked[2].query["allowWatchBookmarks"] == "true"
        assert bench.reflector.synced.is_set()
        assert bench.reflector.trouble == ""
        assert bench.pauses == []

    reflect(handler, test)


def test_what_vanished_unseen_goes_with_the_next_list_and_what_is_newer_stays():
    lists: list[int] = []
    again = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if watches(request):
            await again.wait()
            return await stream(request, end=len(lists) == 1)
        lists.append(1)
        return answer(page([pod("a", 1), pod("b", 2)] if len(lists) == 1 else [pod("b", 2)], 10))

    async def test(bench: Bench, _: Any) -> None:
        await until("both", lambda: bench.names() == {"a", "b"})
        bench.cache.put(pod("new", 99))
        again.set()
        await until("a to go", lambda: bench.names() == {"b", "new"})

    reflect(handler, test)


@pytest.mark.parametrize("where", ["list", "page", "watch", "event", "watch ends"])
def test_nothing_that_ends_at_once_makes_a_hot_loop(where: str):
    """410 Gone at each point, and a watch that a proxy ends as soon as it begins."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if watches(request):
            if where == "watch":
                return refuse(410, "Expired")
            events = [{"type": "ERROR", "object": status_of(410, "Expired")}] if where == "event" else []
            return await stream(request, *events)
        if where == "list" or (where == "page" and "continue" in request.query):
            return refuse(410, "Expired")
        return answer(page([], 10, token="more" if where == "page" else ""))

    async def test(bench: Bench, server: Any) -> None:
        await until("ten pauses", lambda: len(bench.pauses) >= 10)
        assert bench.pauses[:6] == [1, 2, 4, 8, 16, LONGEST_WAIT]
        assert len(server.asked) <= 2 * len(bench.pauses) + 2

    reflect(handler, test)


def test_a_watch_that_lasted_is_begun_anew_without_a_pause():
    ticks = iter(range(0, 10**9, 1000))
    asked: list[bool] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(watches(request))
        if watches(request):
            return await stream(request, end=len(asked) < 8)
        return answer(page([], 10))

    async def test(bench: Bench, _: Any) -> None:
        await until("four watches", lambda: len(asked) >= 8)
        assert asked[:8] == [False, True] * 4
        assert bench.pauses == []

    reflect(handler, test, clock=lambda: float(next(ticks)))


@pytest.mark.parametrize(
    ("code", "reason"), [(404, "NotFound"), (403, "Forbidden"), (401, "Unauthorized"), (500, "InternalError")]
)
def test_a_refusal_is_waited_out_and_told(code: int, reason: str, caplog: pytest.LogCaptureFixture):
    refused: list[int] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        if len(refused) < 3:
            refused.append(code)
            return refuse(code, reason)
        return await stream(request, end=False) if watches(request) else answer(page([pod("a", 1)], 10))

    async def test(bench: Bench, _: Any) -> None:
        await until("the list", lambda: bench.names() == {"a"})
        assert bench.pauses == [1, 2, 4]
        assert all(reason in one for one in bench.troubles)
        await until("no trouble", lambda: bench.reflector.trouble == "")
        assert [one.levelname for one in caplog.records] == ["WARNING", "INFO"]

    with caplog.at_level(logging.INFO, "w2s_operator"):
        reflect(handler, test)


def test_a_server_that_wants_to_be_left_alone_is():
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(text="Too many", status=429, headers={"Retry-After": "45"})

    async def test(bench: Bench, _: Any) -> None:
        await until("a pause", lambda: bench.pauses)
        assert bench.pauses[0] == 45

    reflect(handler, test)


@pytest.mark.parametrize("odd", [{}, {"metadata": {}}, {"items": []}, {"metadata": None, "items": None}])
def test_a_list_that_is_none_ends_nothing(odd: Any):
    answers = iter([odd])

    async def handler(request: web.Request) -> web.StreamResponse:
        if watches(request):
            return await stream(request, {"type": "ADDED"}, {"object": 1}, end=False)
        return answer(next(answers, page([pod("a", 1)], 10)))

    async def test(bench: Bench, _: Any) -> None:
        await until("the list", lambda: bench.names() == {"a"})
        await until("a watch that is not understood", lambda: len(bench.pauses) >= 2)

    reflect(handler, test)


def test_a_pod_that_anybody_labelled_as_ours_ends_no_watch(caplog: pytest.LogCaptureFixture):
    odd = pod("odd", 2)
    odd["status"]["containerStatuses"][0]["state"] = {"terminated": {"reason": "no exit code"}}
    nested = pod("nested", 3)
    nested["status"]["containerStatuses"][0]["state"] = {"terminated": {"exitCode": 0, "message": "[" * 4096}}

    async def handler(request: web.Request) -> web.StreamResponse:
        if watches(request):
            events = ({"type": "ADDED", "object": one} for one in (odd, nested, pod("b", 4)))
            return await stream(request, *events, end=False)
        return answer(page([pod("a", 1), odd], 10))

    async def test(bench: Bench, _: Any) -> None:
        await until("the good ones", lambda: bench.names() == {"a", "b", "nested"})
        assert bench.pauses == []

    reflect(handler, test)


def test_who_hears_nothing_at_all_is_found_out_and_a_bookmark_is_a_word():
    now = [0.0]
    more = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if not watches(request):
            return answer(page([], 10))
        response = await stream(request)
        await more.wait()
        await response.write(b'{"type": "BOOKMARK", "object": {}}\n')
        await asyncio.Event().wait()
        return response

    async def test(bench: Bench, server: Any) -> None:
        await until("the watch", lambda: len(server.asked) == 2)
        assert bench.reflector.heard == 0
        now[0] = 500.0
        more.set()
        await until("a word", lambda: bench.reflector.heard == 500)

    reflect(handler, test, clock=lambda: now[0])
