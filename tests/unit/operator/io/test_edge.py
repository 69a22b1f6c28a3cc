"""kopf keeps to its part: it watches, it leaves nothing on objects, and it is noticed when it does not."""

import asyncio
import itertools
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import kopf
import pytest
from aiohttp import web
from io_kit import Handler, answer, configuration_of, meta, page, refuse, serving, status_of, stream, until

from w2s_operator import jobs_watch
from w2s_operator.edge import register
from w2s_operator.engine import Engine
from w2s_operator.jobs_watch import JOBS_PATIENCE, Pauses
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


def operate(server: Handler, test: Any, settings: OperatorSettings = SETTINGS) -> None:
    """The whole operator before that server."""

    async def bounded() -> None:
        async with asyncio.timeout(30), serving(server) as there:
            engine = Engine(settings, Builder(), lambda: configuration_of(there.url))  # type: ignore[arg-type]
            registry, stop, ready = kopf.OperatorRegistry(), asyncio.Event(), asyncio.Event()
            register(registry, settings, engine)
            operator = asyncio.create_task(
                kopf.operator(
                    registry=registry,
                    standalone=True,
                    namespaces=settings.namespaces,
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
                await asyncio.wait([operator], timeout=0.5)
                operator.cancel()  # it waits 5 s for the tasks of the test's own server
                await asyncio.wait([operator], timeout=10)

    asyncio.run(bounded())


async def watched(engine: Engine) -> None:
    """Until kopf has brought the job and everything is heard."""
    await until("the job", lambda: engine.jobs.get(("legal", "one")))
    await until("all watches", lambda: not unready(engine))


def unready(engine: Engine) -> list[str]:
    return [one.trouble for one in engine._watches() if one.trouble]


def test_it_watches_and_patches_nothing():
    fake = ApiServer()

    async def test(engine: Engine, server: Any, ready: asyncio.Event) -> None:
        await watched(engine)
        assert {one.method for one in server.asked} == {"GET"}
        (watch,) = engine._jobs_watches
        assert watch.patience == JOBS_PATIENCE

    operate(fake.handler, test)


def test_it_waits_for_the_crd_and_then_watches():
    fake = ApiServer()
    fake.crd = False

    async def test(engine: Engine, server: Any, ready: asyncio.Event) -> None:
        await until("a refusal", lambda: any(one.path == JOBS for one in server.asked))
        assert not ready.is_set()
        fake.crd = True
        await watched(engine)

    operate(fake.handler, test)


def test_that_kopf_cannot_watch_is_noticed():
    fake = ApiServer()
    fake.watchable = False

    async def test(engine: Engine, server: Any, ready: asyncio.Event) -> None:
        await until("kopf's attempt", lambda: "answered with 403" in unready(engine))
        fake.watchable = True
        await until("all watches", lambda: not unready(engine), 20)

    operate(fake.handler, test)


@pytest.mark.parametrize("code", [401, 403, 404, 410, 429, 500])
def test_whatever_the_server_says_kopf_goes_on_and_makes_no_hot_loop(
    code: int, monkeypatch: pytest.MonkeyPatch
):
    """A CRD that is replaced, a Role that is, a proxy that has lost its mind: for as long as they like."""
    monkeypatch.setattr(jobs_watch, "FIRST_WAIT", 0.2)
    fake = ApiServer()
    refusing = [False]
    watch_over = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == JOBS and refusing[0]:
            return refuse(code, "Odd")
        if request.path == JOBS and request.query.get("watch") == "true":
            response = await stream(request)
            await watch_over.wait()
            return response
        return await fake.handler(request)

    async def test(engine: Engine, server: Any, ready: asyncio.Event) -> None:
        await watched(engine)
        refusing[0] = True
        watch_over.set()
        before = len(server.asked)
        await until("a refusal", lambda: f"answered with {code}" in unready(engine))
        began = asyncio.get_running_loop().time()
        await until("some time", lambda: asyncio.get_running_loop().time() - began > 1)
        assert len([one for one in server.asked[before:] if one.path == JOBS]) <= 4
        watch_over.clear()
        refusing[0] = False
        fake.jobs = [job(20)]
        await until("all watches", lambda: not unready(engine), 20)

    operate(handler, test)


def test_a_list_that_expires_between_two_pages_is_begun_anew():
    fake = ApiServer()
    expired = [True]

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == JOBS and "limit" in request.query and "watch" not in request.query:
            if "continue" not in request.query:
                return answer(page([], 10, token="next"))
            if expired:
                expired.clear()
                return refuse(410, "Expired")
        return await fake.handler(request)

    async def test(engine: Engine, server: Any, ready: asyncio.Event) -> None:
        await watched(engine)
        lists = [
            one.query.get("continue") for one in server.asked if one.path == JOBS and "limit" in one.query
        ]
        assert lists[-4:] == [None, "next", None, "next"]

    operate(handler, test)


def test_pauses_between_attempts_grow_and_never_end():
    pauses = Pauses()
    for _ in range(2):  # each request begins anew
        assert list(itertools.islice(pauses, 8)) == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_namespace_without_rights_holds_up_no_other():
    fake = ApiServer()
    settings = replace(SETTINGS, namespaces=("legal", "sales"))
    allowed = [False]

    async def handler(request: web.Request) -> web.StreamResponse:
        if "/namespaces/sales/" not in request.path:
            return await fake.handler(request)
        if not allowed[0]:
            return refuse(403, "Forbidden")
        watches = request.query.get("watch") == "true"
        return await stream(request, end=False) if watches else answer(page([], 10))

    async def test(engine: Engine, server: Any, ready: asyncio.Event) -> None:
        await until("the job", lambda: engine.jobs.get(("legal", "one")))
        await until("what legal lacks", lambda: "legal" not in engine._waiting)
        engine._changed(("sales", "early"))
        engine._changed(("legal", "other"))
        assert engine._waiting == {"sales": {("sales", "early")}}
        allowed[0] = True
        await until("sales", lambda: "sales" not in engine._waiting, 20)
        await until("all watches", lambda: not unready(engine), 20)

    operate(handler, test, settings)


def assert_the_process_ends(break_it: Any, caplog: pytest.LogCaptureFixture, what: str) -> None:
    async def test(engine: Engine, server: Any, ready: asyncio.Event) -> None:
        await watched(engine)
        assert not engine.over.is_set()
        break_it(engine)
        await until("the end", engine.over.is_set)
        assert engine.broken

    operate(ApiServer().handler, test)
    assert [what in one.getMessage() for one in caplog.records if one.levelname == "CRITICAL"] == [True]


@pytest.mark.parametrize("part", ["Jobs of legal", "pods of legal", "progress", "audit", "workers"])
def test_without_one_of_its_parts_the_process_ends(part: str, caplog: pytest.LogCaptureFixture):
    def cancel(engine: Engine) -> None:
        (task,) = (one for one in engine._tasks if part in one.get_name())
        task.cancel()

    assert_the_process_ends(cancel, caplog, f"{part} was cancelled")


@pytest.mark.parametrize("error", [KeyError("odd"), None])
def test_however_a_part_ends(error: Exception | None, caplog: pytest.LogCaptureFixture):
    async def part() -> None:
        if error:
            raise error

    what = f"part has ended: {error!r}" if error else "part has ended"
    assert_the_process_ends(lambda engine: engine._run({"part": part()}), caplog, what)


def test_a_worker_that_raises_where_none_should_ends_the_process(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    def broken(engine: Engine) -> None:
        monkeypatch.setattr(engine._queue, "done", None)
        engine._queue.add(("legal", "one"))

    assert_the_process_ends(broken, caplog, "workers has ended: TypeError")


def test_when_it_is_stopped_nothing_is_said_to_be_broken(caplog: pytest.LogCaptureFixture):
    engines: list[Engine] = []

    async def test(engine: Engine, server: Any, ready: asyncio.Event) -> None:
        await watched(engine)
        engines.append(engine)

    operate(ApiServer().handler, test)
    assert engines[0].over.is_set()
    assert not engines[0].broken
    assert [one for one in caplog.records if one.levelname == "CRITICAL"] == []


BROKEN = """
import sys
from w2s_operator.__main__ import main
from w2s_operator.cluster.logs import ProgressReader

async def run(self):
    raise KeyError("odd")

ProgressReader.run = run
sys.exit(main())
"""
WHOLE = "import sys; from w2s_operator.__main__ import main; sys.exit(main())"


@pytest.mark.parametrize(
    ("program", "event", "told"),
    [
        (BROKEN, None, "progress has ended: KeyError('odd'); so does the process"),
        (WHOLE, {"type": "ERROR", "object": status_of(500, "InternalError")}, "Error in the watch-stream"),
    ],
    ids=["a part of ours", "kopf"],
)
def test_the_process_ends_with_a_line_that_says_why(program: str, event: Any, told: str, tmp_path: Path):
    fake = ApiServer()

    async def handler(asked: web.Request) -> web.StreamResponse:
        if event and asked.path == JOBS and asked.query.get("watch") == "true":
            return await stream(asked, event)
        return await fake.handler(asked)

    async def test() -> None:
        async with asyncio.timeout(60), serving(handler) as server:
            kubeconfig = tmp_path / "kubeconfig"
            plain = {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                "clusters": [{"name": "x", "cluster": {"server": server.url}}],
                "users": [{"name": "x", "user": {"token": "none"}}],
            }
            kubeconfig.write_text(json.dumps(plain))
            inherited = {
                name: value for name, value in os.environ.items() if not name.startswith("KUBERNETES_")
            }
            given = {"KUBECONFIG": str(kubeconfig), "W2S_NAMESPACES": "legal", "W2S_TRAINER_IMAGE": "i"}
            operator = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program,
                env=inherited | given | {"W2S_HOST": "127.0.0.1", "W2S_PORT": "0"},
                stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            _, said = await operator.communicate()
            assert operator.returncode == 1
            lines = [json.loads(line) for line in said.decode().splitlines()]
            assert [one for one in lines if one["level"] == "critical" and told in one["message"]], (
                said.decode()
            )

    asyncio.run(test())
