"""Why a pod on a node does not start, from its Events: told soon, gone again, and asked about now and then only."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from io_kit import Clock, Object, answer, api_of, page, pod, refuse, until

from w2s_operator.cluster.cache import Cache
from w2s_operator.cluster.starts import INTERVAL, LONGEST_INTERVAL, LOOKS_PER_SECOND, StartReader, problem_of
from w2s_operator.cluster.views import child_pod_of
from w2s_operator.observed import ChildPod, PodProblem

MOUNT = 'MountVolume.SetUp failed for volume "user-keys" : secret "keys" not found'


def event(reason: str, second: int, type_: str = "Warning", message: str = MOUNT, **more: Any) -> Object:
    time = f"2026-01-01T00:00:{second:02}Z"
    return {"reason": reason, "type": type_, "message": message, "lastTimestamp": time, **more}


def fine(reason: str, second: int) -> Object:
    return event(reason, second, "Normal", "as it should be")


FAILED = PodProblem("FailedMount", MOUNT)


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([], None),
        ([fine("Scheduled", 1)], None),
        ([fine("Scheduled", 1), event("FailedMount", 1)], FAILED),
        ([event("FailedMount", 3), event("FailedAttachVolume", 2, message="later")], FAILED),
        ([event("FailedScheduling", 3)], None),
        ([event("FailedScheduling", 9), event("FailedMount", 3)], FAILED),
        ([event("FailedMount", 3), fine("Pulling", 4)], None),
        ([event("FailedMount", 3), fine("Pulling", 3)], None),
        ([fine("Pulling", 2), event("FailedCreatePodSandBox", 3, message="no network")],
         PodProblem("FailedCreatePodSandBox", "no network")),
        ([event("FailedMount", 3), fine("SuccessfulAttachVolume", 5)], FAILED),
        ([event("DNSConfigForming", 3)], None),
        ([event("FailedMount", 3, lastTimestamp=None, eventTime="2026-01-01T00:00:03.5Z")], FAILED),
        ([event("FailedMount", 3, series={"lastObservedTime": "2026-01-01T00:00:09Z"}), fine("Pulling", 5)], FAILED),
        ([event("FailedMount", 3, lastTimestamp=None)], FAILED),
        ([None, 7, {}, {"reason": 3}, {"reason": "FailedMount", "type": "Warning", "lastTimestamp": 7}],
         PodProblem("FailedMount", "")),
        ([event("FailedMount", 3, message="a\n\x1b[2J" + "x" * 9000)], PodProblem("FailedMount", "a  [2J" + "x" * 1018)),
    ],
)  # fmt: skip
def test_what_events_say(events: list[Any], problem: PodProblem | None):
    assert problem_of(events) == problem


def creating(name: str, version: int = 1, **more: Any) -> Object:
    raw = pod(name, version, running=False, **more)
    raw["spec"] = {"nodeName": "node-1"}
    raw["status"]["phase"] = "Pending"
    raw["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "ContainerCreating"}}
    return raw


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.pods: Cache[ChildPod] = Cache(child_pod_of, lambda _: None)
        self.events: dict[str, list[Object]] = {}
        self.asked: list[tuple[float, str]] = []
        self.changed: list[Any] = []
        self.refusal = False
        self.end = float("inf")
        """Until when time goes on."""

    async def handler(self, request: web.Request) -> web.StreamResponse:
        assert request.path == "/api/v1/namespaces/legal/events"
        uid = request.query["fieldSelector"].removeprefix("involvedObject.uid=")
        self.asked.append((self.clock.now, uid))
        return refuse(403, "Forbidden") if self.refusal else answer(page(self.events.get(uid, []), 1))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        while self.clock.now + seconds > self.end:
            await asyncio.sleep(0.001)
        self.clock.now += seconds

    async def pass_(self, seconds: float) -> None:
        """So much time."""
        self.end = self.clock.now + seconds
        await until("the time", lambda: self.clock.now + 1 > self.end)

    def problems(self, reader: StartReader) -> dict[str, str]:
        told = reader.with_problems(self.pods.of_job(("legal", "one")))
        return {one.name: one.problem.reason for one in told if one.problem}

    def test(self, act: Callable[[StartReader], Any]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(20), api_of(self.handler) as (api, _):
                reader = StartReader(api, self.pods, self.changed.append, clock=self.clock, sleep=self.sleep)
                task = asyncio.create_task(reader.run())
                try:
                    await act(reader)
                    assert not task.done()
                finally:
                    task.cancel()

        asyncio.run(bounded())


def test_a_volume_that_is_not_there_is_told_within_ten_seconds_and_gone_when_it_is_there():
    bench = Bench()
    bench.pods.put(creating("a"))
    bench.events["p-a"] = [event("FailedMount", 3)]
    bench.end = bench.clock.now

    async def act(reader: StartReader) -> None:
        await bench.pass_(7)  # a status is written 3 s after the last one
        await until("it to be told", lambda: bench.problems(reader) == {"a": "FailedMount"})
        assert bench.changed == [("legal", "one")]
        bench.events["p-a"].append(fine("Pulling", 4))
        await bench.pass_(INTERVAL + 2)
        await until("it to be gone", lambda: bench.problems(reader) == {})
        assert bench.changed == [("legal", "one")] * 2

    bench.test(act)


def test_who_starts_is_not_asked_about_and_has_no_old_problem():
    bench = Bench()
    bench.pods.put(pod("runs"))
    bench.pods.put(creating("nowhere") | {"spec": {}})
    bench.pods.put(creating("going", deletionTimestamp="2026-01-01T00:00:00Z"))
    image = creating("image")
    image["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "ErrImagePull"}}
    bench.pods.put(image)
    bench.pods.put(creating("a"))
    bench.events["p-a"] = [event("FailedMount", 3)]

    async def act(reader: StartReader) -> None:
        await until("a", lambda: bench.problems(reader) == {"a": "FailedMount", "image": "ErrImagePull"})
        assert {uid for _, uid in bench.asked} == {"p-a"}
        bench.pods.put(pod("a", 2))
        assert bench.problems(reader) == {"image": "ErrImagePull"}

    bench.test(act)


def test_a_pod_of_the_same_name_is_another():
    bench = Bench()
    bench.pods.put(creating("a"))
    bench.events["p-a"] = [event("FailedMount", 3)]

    async def act(reader: StartReader) -> None:
        await until("a", lambda: bench.problems(reader))
        again = creating("a", 2)
        again["metadata"]["uid"] = "p-new"
        bench.pods.put(again)
        await until("the new one", lambda: bench.asked[-1][1] == "p-new")
        await until("nothing", lambda: bench.problems(reader) == {})

    bench.test(act)


def test_long_pulls_cost_little_and_many_pods_no_more_than_the_budget():
    bench = Bench()
    for number in range(200):
        bench.pods.put(creating(f"a{number}"))

    async def act(reader: StartReader) -> None:
        began = bench.clock.now
        await until("ten minutes", lambda: bench.clock.now - began > 600)
        assert len(bench.asked) <= (bench.clock.now - began) * LOOKS_PER_SECOND + 1
        times: dict[str, list[float]] = {}
        for when, uid in bench.asked:
            times.setdefault(uid, []).append(when)
        assert len(times) == 200  # each has its turn
        gaps = [later - earlier for one in times.values() for earlier, later in itertools.pairwise(one)]
        assert min(gaps) >= 2 * INTERVAL
        assert max(gaps) >= LONGEST_INTERVAL

    bench.test(act)


def test_without_the_right_it_says_so_once_and_goes_on(caplog: pytest.LogCaptureFixture):
    bench = Bench()
    bench.refusal = True
    bench.pods.put(creating("a"))
    bench.events["p-a"] = [event("FailedMount", 3)]

    async def act(reader: StartReader) -> None:
        await until("three attempts", lambda: len(bench.asked) >= 3)
        assert len(caplog.records) == 1
        bench.refusal = False
        await until("it to be told", lambda: bench.problems(reader))

    bench.test(act)
