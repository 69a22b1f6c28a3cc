"""A job that vanished unseen goes; a watch that does not bring what there is is found out, and no other."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from io_kit import Clock, answer, api_of, meta, page, refuse

from w2s_operator.cluster.audit import LATE, Audit
from w2s_operator.cluster.cache import Cache
from w2s_operator.cluster.views import PackedJob, job_of


def job(name: str, version: int) -> dict[str, Any]:
    return {"metadata": meta(name, version, generation=1), "spec": {}}


class Bench:
    """The jobs that there are, by namespace, and the audit of what is known of them."""

    def __init__(self, namespaces: tuple[str, ...] = ("legal",)) -> None:
        self.there: dict[str, list[dict[str, Any]]] = {name: [] for name in namespaces}
        self.version = 100
        self.refusal: tuple[int, str] | None = None
        self.refused: set[str] = set()
        """Namespaces that we have no rights in."""
        self.clock = Clock()
        self.jobs: Cache[PackedJob] = Cache(job_of, lambda _: None)
        self.pauses: list[float] = []
        self.between: Callable[[], None] = lambda: None
        """What happens between two requests."""

    async def handler(self, request: web.Request) -> web.StreamResponse:
        if self.refusal:
            return refuse(*self.refusal)
        namespace = request.path.split("/")[1]
        if namespace in self.refused:
            return refuse(403, "Forbidden")
        items = self.there[namespace]
        found = answer(page([{"metadata": one["metadata"]} for one in items], self.version))
        self.between()
        return found

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def test(self, act: Callable[[Audit], Any]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(20), api_of(self.handler) as (api, _):
                paths = {name: f"/{name}" for name in self.there}
                await act(Audit(api, paths, self.jobs, clock=self.clock, sleep=self.sleep))

        asyncio.run(bounded())


def test_a_job_that_vanished_unseen_goes():
    bench = Bench()
    bench.jobs.put(job("a", 1))
    bench.jobs.put(job("b", 1))
    bench.jobs.put(job("new", 101))
    bench.there["legal"] = [job("b", 1)]

    async def act(audit: Audit) -> None:
        assert await audit.look()
        assert {one.name for one in bench.jobs} == {"b", "new"}

    bench.test(act)


def test_one_that_comes_while_other_namespaces_are_listed_stays():
    bench = Bench(("legal", "sales"))

    def between() -> None:
        bench.jobs.put(job("new", 101))  # after the list of legal, before that of sales
        bench.version = 102

    bench.between = between

    async def act(audit: Audit) -> None:
        assert await audit.look()
        assert {one.name for one in bench.jobs} == {"new"}

    bench.test(act)


def test_a_dead_watch_is_found_out_and_forgiven_when_it_lives():
    bench = Bench()
    bench.there["legal"] = [job("a", 50)]

    async def act(audit: Audit) -> None:
        await audit.look()
        assert audit.late == []
        bench.clock.now += LATE
        await audit.look()
        assert audit.late == [("legal", "a")]
        bench.jobs.put(job("a", 50))
        await audit.look()
        assert audit.late == []

    bench.test(act)


@pytest.mark.parametrize(
    "what", ["came", "came and went", "went before", "went, the list tells", "older, came"]
)
def test_a_watch_that_is_only_a_moment_behind_is_not_dead(what: str):
    bench = Bench()
    bench.there["legal"] = [job("a", 50)]
    if what == "older, came":
        bench.jobs.put(job("a", 40))
    if what == "went before":  # the list was taken before its end, and is read after it
        bench.jobs.drop(("legal", "a"), not_after=60)

    async def act(audit: Audit) -> None:
        await audit.look()
        if "came" in what:
            bench.jobs.put(job("a", 50))
        if what == "came and went":
            bench.jobs.drop(("legal", "a"), not_after=60)
        if what == "went, the list tells":
            bench.there["legal"] = []
        bench.clock.now += 10 * LATE
        await audit.look()
        assert audit.late == []

    bench.test(act)


def test_a_job_that_is_written_all_the_time_and_brought_a_moment_later_is_not_late():
    bench = Bench()

    async def act(audit: Audit) -> None:
        for version in range(50, 60):
            bench.there["legal"] = [job("a", version)]
            await audit.look()
            assert audit.late == []
            bench.jobs.put(job("a", version))
            bench.clock.now += LATE

    bench.test(act)


def test_without_the_crd_it_waits_and_says_so_once(caplog: pytest.LogCaptureFixture):
    bench = Bench()
    bench.refusal = (404, "NotFound")

    async def sleep(seconds: float) -> None:
        bench.pauses.append(seconds)
        if len(bench.pauses) == 8:
            bench.refusal = None

    bench.sleep = sleep  # type: ignore[method-assign]

    async def act(audit: Audit) -> None:
        assert audit.trouble["legal"]
        await audit.first()
        assert audit.trouble == {"legal": ""}
        assert bench.pauses == [1, 2, 4, 8, 16, 30, 30, 30]
        assert [one.levelname for one in caplog.records] == ["WARNING", "INFO"]
        assert "crds/weaktostrongjobs.w2s.dev.yaml" in caplog.text  # what to install

    with caplog.at_level(logging.INFO, "w2s_operator"):
        bench.test(act)


def test_a_namespace_without_rights_holds_up_no_other_and_is_told_once(caplog: pytest.LogCaptureFixture):
    bench = Bench(("gone", "legal"))
    bench.refused = {"gone"}
    bench.jobs.put(job("stale", 1))
    bench.jobs.put({"metadata": meta("kept", 1, generation=1) | {"namespace": "gone"}, "spec": {}})

    async def act(audit: Audit) -> None:
        await audit.first()
        await audit.look()
        assert bench.pauses == []
        assert audit.trouble == {"gone": "403 Forbidden: Forbidden said so", "legal": ""}
        assert {one.name for one in bench.jobs} == {"kept"}  # of what is not seen nothing is known
        assert [one.levelname for one in caplog.records] == ["WARNING", "INFO"]
        assert "Is there a namespace gone" in caplog.text
        bench.refused = set()
        await audit.look()
        assert len(bench.jobs) == 0

    with caplog.at_level(logging.INFO, "w2s_operator"):
        bench.test(act)


@pytest.mark.parametrize("odd", [{}, {"items": []}, {"items": [{}], "metadata": {"resourceVersion": "1"}}])
def test_a_list_that_is_none_is_trouble_and_no_end(odd: dict[str, Any]):
    bench = Bench()

    async def handler(_: web.Request) -> web.StreamResponse:
        return answer(odd)

    bench.handler = handler  # type: ignore[method-assign]

    async def act(audit: Audit) -> None:
        assert not await audit.look()
        assert "NotUnderstood" in audit.trouble["legal"]

    bench.test(act)
