"""kopf keeps to its part: it watches, it leaves nothing on objects, and it is noticed when it does not."""

import asyncio
from typing import Any

import kopf
from aiohttp import web
from io_kit import Handler, answer, configuration_of, meta, page, refuse, serving, stream, until

from w2s_operator.edge import register
from w2s_operator.engine import JOBS_PATIENCE, Engine
from w2s_operator.probes import Watch
from w2s_operator.settings import OperatorSettings

JOBS = "/apis/w2s.dev/v1alpha1/namespaces/legal/weaktostrongjobs"
SETTINGS = OperatorSettings("localhost/trainer:1", ("legal",), host="127.0.0.1", port=0)


class Builder:
    def child(self, job: Any, action: Any) -> Any:
        raise NotImplementedError

    def settings_hash(self, _spec: bytes) -> Any:
        return {}


def job(version: int, uid: str = "u-1") -> dict[str, Any]:
    """One that is not ours to touch."""
    told = meta("one", version, uid, generation=1, annotations={"w2s.dev/hands-off": "true"})
    return {"apiVersion": "w2s.dev/v1alpha1", "kind": "WeakToStrongJob", "metadata": told, "spec": {}}


def registered() -> tuple[kopf.OperatorRegistry, Engine]:
    registry, engine = kopf.OperatorRegistry(), Engine(SETTINGS, Builder())  # type: ignore[arg-type]
    register(registry, SETTINGS, engine)
    return registry, engine


def handle(registry: kopf.OperatorRegistry, type_: str | None, raw: dict[str, Any]) -> None:
    (handler,) = registry._watching.get_all_handlers()
    asyncio.run(handler.fn(event={"type": type_, "object": raw}))  # type: ignore[arg-type]


def test_no_handler_has_a_state_or_a_finalizer():
    registry, _ = registered()
    assert len(registry._watching.get_all_handlers()) == 1
    for kind in (registry._changing, registry._spawning, registry._indexing, registry._webhooks):
        assert list(kind.get_all_handlers()) == []


def test_the_end_of_a_job_does_not_end_the_next_of_the_same_name():
    registry, engine = registered()
    handle(registry, None, job(5))
    handle(registry, "ADDED", job(9, "u-2"))
    handle(registry, "DELETED", job(8))
    found = engine.jobs.get(("legal", "one"))
    assert found is not None
    assert found.uid == "u-2"
    handle(registry, "MODIFIED", job(7))
    assert engine.jobs.get(("legal", "one")) == found
    handle(registry, "DELETED", job(10, "u-2"))
    assert engine.jobs.get(("legal", "one")) is None


def resource(name: str, kind: str) -> dict[str, Any]:
    verbs = ["get", "list", "watch", "patch"]
    return {"name": name, "singularName": "", "kind": kind, "namespaced": True, "verbs": verbs}


class ApiServer:
    """As much of one as kopf and the engine need."""

    def __init__(self) -> None:
        self.crd = True
        self.watchable = True
        self.jobs = [job(5)]

    async def handler(self, request: web.Request) -> web.StreamResponse:
        watches = request.query.get("watch") == "true"
        match request.path:
            case "/apis/w2s.dev/v1alpha1" if self.crd:
                return answer({"resources": [resource("weaktostrongjobs", "WeakToStrongJob")]})
            case "/apis":
                version = {"groupVersion": "w2s.dev/v1alpha1", "version": "v1alpha1"}
                group = {"name": "w2s.dev", "versions": [version], "preferredVersion": version}
                return answer({"groups": [group] if self.crd else []})
            case "/api":
                return answer({"versions": ["v1"]})
            case "/api/v1":
                return answer({"resources": [resource("namespaces", "Namespace")]})
            case path if path == JOBS and not self.crd:
                return refuse(404, "NotFound")
            case path if path == JOBS and watches and not self.watchable:
                return refuse(403, "Forbidden")
            case path if path == JOBS and not watches:
                return answer(page(self.jobs, 10))
            case path if path.endswith(("/jobs", "/pods")) and not watches:
                return answer(page([], 10))
        return await stream(request, end=not watches)


def operate(server: Handler, test: Any) -> None:
    """The whole operator before that server."""

    async def bounded() -> None:
        async with asyncio.timeout(30), serving(server) as there:
            engine = Engine(SETTINGS, Builder(), lambda: configuration_of(there.url))  # type: ignore[arg-type]
            registry, stop, ready = kopf.OperatorRegistry(), asyncio.Event(), asyncio.Event()
            register(registry, SETTINGS, engine)
            operator = asyncio.create_task(
                kopf.operator(
                    registry=registry,
                    standalone=True,
                    namespaces=["legal"],
                    identity="test",  # type: ignore[arg-type]
                    stop_flag=stop,
                    ready_flag=ready,
                )
            )
            try:
                await test(engine, there, ready)
                assert not operator.done()
            finally:
                stop.set()
                await asyncio.wait([operator], timeout=10)

    asyncio.run(bounded())


def unready(engine: Engine) -> list[str]:
    return [one.trouble for one in engine._watches() if one.trouble]


def test_it_watches_and_patches_nothing():
    fake = ApiServer()

    async def test(engine: Engine, server: Any, ready: asyncio.Event) -> None:
        await until("the job", lambda: engine.jobs.get(("legal", "one")))
        await until("all watches", lambda: not unready(engine))
        assert {one.method for one in server.asked} == {"GET"}
        (watch,) = engine._jobs_watches.values()
        assert watch.patience == JOBS_PATIENCE

    operate(fake.handler, test)


def test_it_waits_for_the_crd_and_then_watches():
    fake = ApiServer()
    fake.crd = False

    async def test(engine: Engine, server: Any, ready: asyncio.Event) -> None:
        await until("a refusal", lambda: any(one.path == JOBS for one in server.asked))
        assert not ready.is_set()
        fake.crd = True
        await until("the job", lambda: engine.jobs.get(("legal", "one")))
        await until("all watches", lambda: not unready(engine))

    operate(fake.handler, test)


def test_that_kopf_cannot_watch_is_noticed():
    fake = ApiServer()
    fake.watchable = False

    async def test(engine: Engine, server: Any, ready: asyncio.Event) -> None:
        await until("kopf's attempt", lambda: "answered with 403" in unready(engine))
        fake.watchable = True
        await until("all watches", lambda: not unready(engine), 20)

    operate(fake.handler, test)


def test_only_a_watch_that_was_answered_is_no_trouble():
    engine = registered()[1]
    engine.answered(f"http://x{JOBS}?watch=true", 200)
    assert engine._jobs_watches == {}  # nobody has to watch yet
    engine._jobs_watches = {JOBS: Watch("jobs", 0.0, "not begun", JOBS_PATIENCE)}
    for url, code, trouble in (
        (f"http://x{JOBS}?limit=500", 200, "not begun"),
        (f"http://x{JOBS}?watch=true&resourceVersion=1", 403, "answered with 403"),
        (f"http://x{JOBS}?limit=500", 200, "answered with 403"),
        ("http://x/apis/w2s.dev/v1alpha1?watch=true", 200, "answered with 403"),
        (f"http://x{JOBS}?watch=true&resourceVersion=1", 200, ""),
        (f"http://x{JOBS}?watch=true", 0, "the server does not answer"),
    ):
        engine.answered(url, code)
        assert engine._jobs_watches[JOBS].trouble == trouble
    assert engine._jobs_watches[JOBS].heard > 0
