"""A worker before an API server of a test's own, in memory."""

import asyncio
import copy
from collections.abc import Callable
from typing import Any

from io_kit import Clock, Object

from w2s_api.status import StageProgress
from w2s_operator.children.job import ChildJobs
from w2s_operator.children.settings import Defaults
from w2s_operator.cluster.cache import Cache, Key
from w2s_operator.cluster.errors import AlreadyExists, ApiError, Conflict, NotFound
from w2s_operator.cluster.events import Recorder
from w2s_operator.cluster.views import PackedJob, child_job_of, child_pod_of, job_of
from w2s_operator.metrics import Metrics
from w2s_operator.observed import ChildJob, ChildPod
from w2s_operator.queue import WorkQueue
from w2s_operator.worker import Worker

EPOCH = 1_800_000_000.0


class FakeApi:
    """Objects by path, versions that grow, preconditions that hold; refuses what a test wants refused."""

    def __init__(self) -> None:
        self.version = 10
        self.objects: dict[str, Object] = {}
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[Object] = []
        self.events: list[Object] = []
        self.refusals: list[tuple[str, str, ApiError, int]] = []
        self.before: Callable[[str, str], None] = lambda _verb, _path: None

    def refuse(self, verb: str, part: str, error: ApiError, times: int = 10**6) -> None:
        """Requests whose path or name has this part."""
        self.refusals.append((verb, part, error, times))

    def note(self, verb: str, path: str, body: Object | None = None) -> None:
        self.before(verb, path)
        self.calls.append((verb, path))
        self.bodies.append(body or {})
        for place, (what, part, error, times) in enumerate(self.refusals):
            if what == verb and part in path and times > 0:
                self.refusals[place] = (what, part, error, times - 1)
                raise error

    def put(self, path: str, plain: Object) -> Object:
        self.version += 1
        plain = {**plain, "metadata": {**plain["metadata"], "resourceVersion": str(self.version)}}
        self.objects[path] = plain
        return copy.deepcopy(plain)

    async def get(self, path: str, params: Any = None, **_: Any) -> Object:
        self.note("GET", path)
        if params:  # a list of one
            wanted = params["fieldSelector"].removeprefix("metadata.name=")
            found = self.objects.get(f"{path}/{wanted}")
            return {"items": [copy.deepcopy(found)] if found else None}
        if path not in self.objects:
            raise NotFound(404, "NotFound", path)
        return copy.deepcopy(self.objects[path])

    async def create(self, path: str, body: Object, _params: Any = None) -> Object:
        name = body["metadata"].get("name", "")
        self.note("POST", f"{path}/{name}", body)
        if body["kind"] == "Event":
            self.events.append(body)
            return body
        if f"{path}/{name}" in self.objects:
            raise AlreadyExists(409, "AlreadyExists", name)
        return self.put(f"{path}/{name}", born(copy.deepcopy(body), f"c-{self.version}"))

    async def merge(self, path: str, body: Object) -> Object:
        self.note("PATCH", path, body)
        mine = path.removesuffix("/status")
        found = self.objects.get(mine)
        if found is None:
            raise NotFound(404, "NotFound", mine)
        for name in ("resourceVersion", "uid"):
            if body["metadata"][name] != found["metadata"][name]:
                raise Conflict(409, "Conflict", f"{name} is another")
        status = {**found.get("status", {}), **body["status"]}
        told = {name: value for name, value in status.items() if value is not None}
        return self.put(mine, {**found, "status": told})

    async def delete(self, path: str, body: Object, params: Any = None) -> Object:
        self.note("DELETE", path, body)
        if params:
            for one in [one for one in self.objects if one.startswith(f"{path}/")]:
                del self.objects[one]
        elif self.objects.pop(path, None) is None:
            raise NotFound(404, "NotFound", path)
        return {}

    def did(self, verb: str, part: str = "") -> list[str]:
        return [path for what, path in self.calls if what == verb and part in path]


def born(plain: Object, uid: str) -> Object:
    plain["metadata"] |= {"uid": uid, "creationTimestamp": "2027-01-15T08:00:00Z"}
    return plain


class Bench:
    """A worker with all that it needs. `step` lets it handle what is ready, until nothing is."""

    def __init__(self, spec: Object, *, names: tuple[str, ...] = ("one",)) -> None:
        self.api = FakeApi()
        self.time = Clock(0.0)
        self.queue: WorkQueue[Key] = WorkQueue(self.time)
        self.jobs: Cache[PackedJob] = Cache(job_of, self.queue.add)
        self.children: Cache[ChildJob] = Cache(child_job_of, self.queue.add)
        self.pods: Cache[ChildPod] = Cache(child_pod_of, self.queue.add)
        self.progress: dict[Key, StageProgress] = {}
        self.metrics = Metrics()
        self.builder: Any = ChildJobs(Defaults(image="localhost/trainer:1"))
        api: Any = self.api
        self.recorder = Recorder(api, lambda: EPOCH + self.time.now)
        self.worker = Worker(
            api,
            self.queue,
            self.jobs,
            self.children,
            self.pods.of_job,
            lambda: self.progress,
            self,
            self.recorder,
            self.metrics,
            clock=lambda: EPOCH + self.time.now,
            monotonic=self.time,
        )
        for name in names:
            self.apply(name, spec)

    # the builder, which a test may replace

    def child(self, job: Any, action: Any) -> Object:
        return dict(self.builder.child(job, action))

    def settings_hash(self, spec: bytes) -> Any:
        return self.builder.settings_hash(spec)

    # what others do

    def path(self, name: str = "one") -> str:
        return f"/apis/w2s.dev/v1alpha1/namespaces/legal/weaktostrongjobs/{name}"

    def apply(self, name: str, spec: Object, uid: str = "", **meta: Any) -> None:
        given = {"namespace": "legal", "name": name, "generation": 1, **meta}
        raw = born({"metadata": given, "spec": copy.deepcopy(spec)}, uid or f"u-{name}")
        self.jobs.put(self.api.put(self.path(name), raw))

    def touch(self, name: str = "one") -> None:
        """Somebody writes to the job, and the watch has not brought it yet."""
        found = self.api.objects[self.path(name)]
        found["metadata"].setdefault("annotations", {})["team"] = str(self.api.version)
        self.api.put(self.path(name), found)

    # what comes of it

    async def _handle(self) -> int:
        task = asyncio.create_task(self.worker.run())
        passes, quiet = self.passes(), 0
        for _ in range(20_000):
            await asyncio.sleep(0)
            idle = not len(self.queue) and not self.queue._busy
            quiet = quiet + 1 if idle else 0
            if quiet > 20:
                break
        else:
            raise AssertionError("a hot loop: it never comes to rest")
        assert not task.done(), task.exception()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return self.passes() - passes

    def step(self, seconds: float = 0.0) -> int:
        """Time passes, and what is ready is handled. Returns the number of passes."""
        self.time.now += seconds

        async def bounded() -> int:
            async with asyncio.timeout(20):
                self.queue._wake = asyncio.Event()
                return await self._handle()

        return asyncio.run(bounded())

    def passes(self) -> int:
        return int(self.metrics.registry.get_sample_value("w2s_reconcile_seconds_count") or 0)

    def errors(self, kind: str) -> float:
        return self.metrics.registry.get_sample_value("w2s_reconcile_errors_total", {"kind": kind}) or 0.0

    def status(self, name: str = "one") -> Object:
        return dict(self.api.objects[self.path(name)].get("status") or {})

    def stage(self, stage: str, name: str = "one") -> Object:
        return next((one for one in self.status(name).get("stages", ()) if one["name"] == stage), {})

    def jobs_made(self) -> list[str]:
        return [path for path in self.api.objects if "/apis/batch/v1/" in path]
