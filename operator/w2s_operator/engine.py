"""The operator put together: caches, watches, queue, workers. What starts it is edge.py."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import aiohttp
from kubernetes import client

from w2s_api.names import GROUP, PLURAL, VERSION
from w2s_operator.children.names import SELECTOR
from w2s_operator.cluster.api import Api, Bucket, load_configuration, open_session
from w2s_operator.cluster.audit import Audit
from w2s_operator.cluster.cache import Cache, Key
from w2s_operator.cluster.events import Recorder
from w2s_operator.cluster.logs import ProgressReader
from w2s_operator.cluster.reflector import Reflector
from w2s_operator.cluster.views import JobView, child_job_of, child_pod_of, job_of
from w2s_operator.metrics import Metrics
from w2s_operator.planning.observed import ChildJob, ChildPod
from w2s_operator.probes import Health, Watch, serve
from w2s_operator.queue import WorkQueue
from w2s_operator.settings import OperatorSettings
from w2s_operator.worker import Builder, Worker

JOBS_WATCH = 300
"""Seconds after which the watch of jobs is begun anew."""
JOBS_PATIENCE = JOBS_WATCH + 120.0
"""Seconds after which it is dead if it was not."""

log = logging.getLogger(__name__)


class Engine:
    """Everything between the API server and the planner. Jobs come from kopf, children from our own watches."""

    def __init__(
        self,
        settings: OperatorSettings,
        builder: Builder,
        configuration: Callable[[], client.Configuration] = load_configuration,
    ) -> None:
        """
        Args:
            settings: of the operator.
            builder: makes child Jobs.
            configuration: of the way to the API server.
        """
        self._settings = settings
        self._builder = builder
        self._configuration = configuration
        self._metrics = Metrics()
        self._queue: WorkQueue[Key] = WorkQueue()
        self.jobs: Cache[JobView] = Cache(job_of, self._queue.add)
        self._children: Cache[ChildJob] = Cache(child_job_of, self._queue.add)
        self._pods: Cache[ChildPod] = Cache(child_pod_of, self._queue.add)
        self._lists = {
            namespace: _list_path(f"/apis/{GROUP}/{VERSION}", namespace, PLURAL)
            for namespace in settings.namespaces or ("",)
        }
        self._jobs_watches: dict[str, Watch] = {}
        self._reflectors: dict[str, Reflector] = {}
        self._tasks: list[asyncio.Task[Any]] = []
        self._started = asyncio.Event()
        self._api: Api | None = None
        self._server: Any = None

    async def start(self) -> Self:
        """Begins to watch and, once everything was listed, to work. Returns when there are jobs to be watched:
        the CRD is installed, and we may read them."""
        settings = self._settings
        bucket = Bucket(settings.requests_per_second, settings.burst)
        self._api = api = await Api(self._configuration(), bucket, self._metrics.requested).__aenter__()
        self._reflectors = {
            f"{what} of {namespace or 'all namespaces'}": Reflector(api, path, cache, selector=SELECTOR)
            for namespace in settings.namespaces or ("",)
            for what, path, cache in (
                ("Jobs", _list_path("/apis/batch/v1", namespace, "jobs"), self._children),
                ("pods", _list_path("/api/v1", namespace, "pods"), self._pods),
            )
        }
        audit = Audit(api, self._lists, self.jobs)
        reader = ProgressReader(api, self._pods, self._queue.add)
        worker = Worker(
            api,
            self._queue,
            self.jobs,
            self._children,
            self._pods,
            lambda: reader.found,
            self._builder,
            Recorder(api),
            self._metrics,
            lost_after=settings.lost_after,
        )
        self._metrics.standing(self._complete, lambda: len(self._queue))
        health = Health(
            lambda: [*self._watches(), *_listing(audit)],
            self._queue.standstill,
            self._started.is_set,
            lambda: [*_late(audit), *self._ended()],
        )
        self._server = await serve(health, self._metrics, settings.host, settings.port)
        self._run({name: reflector.run() for name, reflector in self._reflectors.items()})
        await audit.first()
        self._jobs_watches = {
            path: Watch(
                f"jobs of {namespace or 'all namespaces'}", time.monotonic(), "not begun", JOBS_PATIENCE
            )
            for namespace, path in self._lists.items()
        }
        self._run({"progress": reader.run(), "audit": audit.run(), "workers": self._work(worker)})
        return self

    async def stop(self) -> None:
        """Ends everything; what was decided and not yet done is decided again by whoever starts next."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.cleanup()
        if self._api is not None:
            await self._api.__aexit__()

    def session(self) -> tuple[str, aiohttp.ClientSession]:
        """The server and a session of our kind for whoever watches the jobs: it is noted how that goes."""
        configuration = self._configuration()
        return configuration.host, open_session(configuration, self.answered)

    def answered(self, url: str, code: int) -> None:
        """A request of the watch of jobs was answered, by code 0 if it was not."""
        split = urlsplit(url)
        watch = self._jobs_watches.get(split.path)
        if watch is None:
            return
        watching = parse_qs(split.query).get("watch") == ["true"]
        trouble = "" if watching and code == 200 else watch.trouble
        if code != 200:
            trouble = f"answered with {code}" if code else "the server does not answer"
        self._jobs_watches[split.path] = Watch(watch.name, time.monotonic(), trouble, watch.patience)

    def _run(self, parts: dict[str, Any]) -> None:
        self._tasks += [asyncio.create_task(part, name=name) for name, part in parts.items()]

    async def _work(self, worker: Worker) -> None:
        """Nobody acts before everything is known: what is not known yet looks as if it were not there."""
        await asyncio.gather(*(reflector.synced.wait() for reflector in self._reflectors.values()))
        self._started.set()
        log.info("%d jobs, %d Jobs, %d pods", len(self.jobs), len(self._children), len(self._pods))
        await asyncio.gather(*(worker.run() for _ in range(self._settings.workers)))

    def _watches(self) -> Iterator[Watch]:
        for name, one in self._reflectors.items():
            yield Watch(name, one.heard, one.trouble)
        yield from self._jobs_watches.values()

    def _ended(self) -> Iterator[str]:
        """Parts of this process that should run for ever and do not: it is to be replaced."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                yield f"{task.get_name()} has ended: {task.exception()!r}"

    def _complete(self) -> dict[str, int]:
        return Counter(view.complete for view in self.jobs)


def _listing(audit: Audit) -> Iterator[Watch]:
    if audit.trouble:
        yield Watch("jobs", time.monotonic(), audit.trouble)


def _late(audit: Audit) -> Iterator[str]:
    if audit.late:
        first = "/".join(audit.late[0])
        yield f"the watch has not brought {len(audit.late)} jobs, among them {first}"


def _list_path(group: str, namespace: str, plural: str) -> str:
    return f"{group}/namespaces/{namespace}/{plural}" if namespace else f"{group}/{plural}"
