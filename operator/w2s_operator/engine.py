"""The operator put together: caches, watches, queue, workers. What starts it is edge.py."""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Self

from w2s_api.names import GROUP, PLURAL, VERSION
from w2s_operator.children.names import SELECTOR
from w2s_operator.cluster.api import Api, Bucket, load_configuration
from w2s_operator.cluster.cache import Cache, Key
from w2s_operator.cluster.errors import ApiError
from w2s_operator.cluster.events import Recorder
from w2s_operator.cluster.logs import ProgressReader
from w2s_operator.cluster.reflector import Reflector
from w2s_operator.cluster.views import JobView, child_job_of, child_pod_of, job_of
from w2s_operator.metrics import Metrics
from w2s_operator.planning.observed import ChildJob, ChildPod
from w2s_operator.probes import Health, serve
from w2s_operator.queue import WorkQueue
from w2s_operator.settings import OperatorSettings
from w2s_operator.worker import Builder, Worker

RELIST = 300.0
"""Seconds between two lists of all jobs."""
LATE = 60.0
"""Seconds after which a job that a list has and the watch has not brought shows that the watch is dead."""
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

log = logging.getLogger(__name__)


class Engine:
    """Everything between the API server and the planner. Jobs come from kopf, children from our own watches."""

    def __init__(self, settings: OperatorSettings, builder: Builder) -> None:
        self._settings = settings
        self._builder = builder
        self._metrics = Metrics()
        self._queue: WorkQueue[Key] = WorkQueue()
        self.jobs: Cache[JobView] = Cache(job_of, self._queue.add)
        self._children: Cache[ChildJob] = Cache(child_job_of, self._queue.add)
        self._pods: Cache[ChildPod] = Cache(child_pod_of, self._queue.add)
        self._heard = time.monotonic()
        self._missing: dict[Key, float] = {}
        self._tasks: list[asyncio.Task[Any]] = []
        self._started = asyncio.Event()

    async def start(self) -> Self:
        """Begins to watch and, once everything was listed, to work."""
        settings = self._settings
        bucket = Bucket(settings.requests_per_second, settings.burst)
        self._api = await Api(load_configuration(), bucket, self._metrics.requested).__aenter__()
        self._reflectors = {
            f"{what} of {namespace or 'all namespaces'}": Reflector(self._api, path, cache, selector=SELECTOR)
            for namespace in settings.namespaces or ("",)
            for what, path, cache in (
                ("Jobs", _list_path("/apis/batch/v1", namespace, "jobs"), self._children),
                ("pods", _list_path("/api/v1", namespace, "pods"), self._pods),
            )
        }
        reader = ProgressReader(self._api, self._pods, self._queue.add)
        worker = Worker(
            self._api,
            self._queue,
            self.jobs,
            self._children,
            self._pods,
            lambda: reader.found,
            self._builder,
            Recorder(self._api),
            self._metrics,
            lost_after=settings.lost_after,
        )
        self._metrics.standing(self._complete, lambda: len(self._queue))
        health = Health(
            lambda: {name: one.heard for name, one in self._reflectors.items()},
            self._queue.oldest,
            self._started.is_set,
            lambda: [*self._late(), *self._ended()],
        )
        self._server = await serve(health, self._metrics, settings.host, settings.port)
        parts = {name: reflector.run() for name, reflector in self._reflectors.items()}
        parts |= {"progress": reader.run(), "relist": self._relist(), "workers": self._work(worker)}
        self._tasks = [asyncio.create_task(part, name=name) for name, part in parts.items()]
        return self

    async def stop(self) -> None:
        """Ends everything; what was decided and not yet done is decided again by whoever starts next."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.cleanup()
        await self._api.__aexit__()

    async def _work(self, worker: Worker) -> None:
        """Nobody acts before everything is known: what is not known yet looks as if it were not there."""
        await asyncio.gather(*(reflector.synced.wait() for reflector in self._reflectors.values()))
        while not await self._listed():
            await asyncio.sleep(1.0)
        self._started.set()
        log.info("%d jobs, %d Jobs, %d pods", len(self.jobs), len(self._children), len(self._pods))
        await asyncio.gather(*(worker.run() for _ in range(self._settings.workers)))

    async def _relist(self) -> None:
        """Drops jobs that vanished unseen, and finds out whether the watch brings what there is."""
        while True:
            await asyncio.sleep(RELIST)
            await self._listed()

    async def _listed(self) -> bool:
        """Lists all jobs; False if the server does not let us."""
        try:
            await self._list_jobs()
        except ApiError as error:
            log.warning("list of jobs: %s", error)
            return False
        return True

    async def _list_jobs(self) -> None:
        seen: set[Key] = set()
        for namespace in self._settings.namespaces or ("",):
            token = ""
            while True:
                params = {"limit": "500", **({"continue": token} if token else {})}
                path = _list_path(f"/apis/{GROUP}/{VERSION}", namespace, PLURAL)
                page = await self._api.get(path, params, accept=_METADATA)
                for item in page["items"] or ():  # null where there are none
                    self._note(item["metadata"], seen)
                token = page["metadata"].get("continue", "")
                if not token:
                    version = int(page["metadata"]["resourceVersion"])
                    break
        for key in self.jobs.keys() - seen:
            self.jobs.drop(key, not_after=version)
        self._missing = {key: since for key, since in self._missing.items() if key in seen}

    def _note(self, meta: Mapping[str, Any], seen: set[Key]) -> None:
        key = (meta["namespace"], meta["name"])
        seen.add(key)
        view = self.jobs.get(key)
        if view is None or int(view.resource_version) < int(meta["resourceVersion"]):
            self._missing.setdefault(key, time.monotonic())
        else:
            self._missing.pop(key, None)

    def _late(self) -> Iterator[str]:
        now = time.monotonic()
        for key, since in list(self._missing.items()):
            if self.jobs.get(key) is not None and since + LATE > now:
                continue
            if now - since > LATE:
                yield f"the watch has not brought {'/'.join(key)}"

    def _ended(self) -> Iterator[str]:
        """Parts of this process that should run for ever and do not: it is to be replaced."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                yield f"{task.get_name()} has ended: {task.exception()!r}"

    def _complete(self) -> dict[str, int]:
        return Counter(_complete(view.status) for view in self.jobs)


def _complete(status: bytes) -> str:
    """The state of condition Complete in a packed status."""
    for one in json.loads(status).get("conditions", ()):
        if one.get("type") == "Complete":
            return str(one.get("status"))
    return "Unknown"


def _list_path(group: str, namespace: str, plural: str) -> str:
    return f"{group}/namespaces/{namespace}/{plural}" if namespace else f"{group}/{plural}"
