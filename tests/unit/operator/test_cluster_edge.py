"""The edge to the API server when that misbehaves: answers that break off, watches that are too old, empty lists,
objects of the same name that come before the old one's end is heard."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from kubernetes import client

from w2s_operator.cluster.api import Api, Bucket
from w2s_operator.cluster.cache import Cache
from w2s_operator.cluster.credentials import Credentials
from w2s_operator.cluster.errors import Unreachable
from w2s_operator.cluster.reflector import Reflector
from w2s_operator.cluster.views import child_job_of, child_pod_of


def raw(name: str, version: int, **status: Any) -> dict[str, Any]:
    meta = {"namespace": "legal", "name": name, "uid": f"u{version}", "resourceVersion": str(version),
            "creationTimestamp": "2026-11-21T00:00:00Z", "labels": {"w2s.dev/job": "indemnity"}}  # fmt: skip
    return {"metadata": meta, "status": status}


@pytest.fixture
def cache() -> Cache[Any]:
    return Cache(child_job_of, lambda _: None)


def test_the_end_of_an_object_is_not_that_of_its_successor(cache: Cache[Any]):
    cache.put(raw("a", 7))  # applied again at once
    cache.drop(("legal", "a"), not_after=5)  # and only now its predecessor's end is heard
    assert cache.keys() == {("legal", "a")}
    cache.drop(("legal", "a"), not_after=7)
    assert cache.keys() == set()


@dataclass
class Scripted:
    """An API server that says what a test has written down, and then ends the test."""

    pages: list[dict[str, Any]]
    watches: list[list[dict[str, Any]]]
    lists: int = 0
    asked: list[str] = field(default_factory=list)

    async def get(self, _path: str, _params: Any) -> dict[str, Any]:
        self.lists += 1
        return self.pages[min(self.lists, len(self.pages)) - 1]

    async def lines(self, _path: str, params: Any) -> AsyncIterator[dict[str, Any]]:
        self.asked.append(params["resourceVersion"])
        if not self.watches:
            raise asyncio.CancelledError
        for event in self.watches.pop(0):
            yield event


def page(version: int, *items: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(version)}, "items": list(items) or None}


def follow(cache: Cache[Any], server: Scripted) -> None:
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(Reflector(server, "/jobs", cache).run())  # type: ignore[arg-type]


def test_an_empty_list_may_be_null(cache: Cache[Any]):
    follow(cache, Scripted([page(3)], []))
    assert cache.keys() == set()


def test_a_watch_that_is_too_old_is_followed_by_a_list(cache: Cache[Any]):
    gone = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
    server = Scripted([page(3, raw("a", 2)), page(9, raw("b", 8))], [[gone]])
    follow(cache, server)
    assert server.asked == ["3", "9"]
    assert cache.keys() == {("legal", "b")}


def test_what_the_watch_brings_is_kept_and_an_old_end_is_not_believed(cache: Cache[Any]):
    events = [
        {"type": "ADDED", "object": raw("b", 5)},
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "6"}}},
        {"type": "DELETED", "object": raw("a", 7)},
    ]
    follow(cache, Scripted([page(3, raw("a", 2)), page(9, raw("b", 5))], [events]))
    assert cache.keys() == {("legal", "b")}


def test_a_job_that_its_queue_has_just_admitted_waits_until_the_controller_has_seen_it():
    suspended = {"type": "Suspended", "status": "True"}
    assert child_job_of(raw("a", 1, conditions=[suspended])).suspended
    seen = child_job_of(
        raw("a", 1, conditions=[suspended | {"status": "False"}], startTime="2026-11-21T01:00:00Z")
    )
    assert not seen.suspended
    assert seen.admitted == seen.created + 3600


def test_an_answer_that_breaks_off_is_a_server_that_is_away():
    async def talk() -> None:
        async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(half, "127.0.0.1", 0) as server:
            configuration = client.Configuration(
                host=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            )
            async with Api(Credentials(configuration), Bucket(100, 100)) as api:
                with pytest.raises(Unreachable):
                    await api.get("/jobs")

    asyncio.run(talk())


def test_a_pod_that_was_deleted_is_remembered_while_its_job_is_there():
    """`kubectl delete pod`: it saved its work and said so, and is gone before its Job has failed."""
    awaited = {"j-1"}
    pods = Cache(child_pod_of, lambda _: None, lambda pod: pod.exit is not None and pod.child_uid in awaited)

    def pod(name: str, job: str, version: int, **state: Any) -> dict[str, Any]:
        made = raw(name, version, phase="Running", containerStatuses=[{"name": "stage", "state": state}])
        made["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "j", "uid": job}]
        return made

    for name, job in (("saved", "j-1"), ("lost", "j-1"), ("old", "j-0")):
        pods.put(pod(name, job, 5, running={"startedAt": "2026-11-21T00:00:00Z"}))
    stopped = {"terminated": {"exitCode": 75}}
    pods.gone(pod("saved", "j-1", 8, **stopped))
    pods.gone(pod("old", "j-0", 8, **stopped))
    pods.gone(pod("lost", "j-1", 8, running={}))
    assert pods.keys() == {("legal", "saved")}
    kept = pods.get(("legal", "saved"))
    assert kept is not None
    assert kept.exit is not None
    assert kept.exit.code == 75
    pods.drop(("legal", "saved"), not_after=9)  # everything is listed anew
    assert pods.keys() == set()
