"""The operator put together: caches, watches, queue, workers. What starts it is edge.py."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Self

import aiohttp
from kubernetes import client

from w2s_api.child_jobs import SELECTOR
from w2s_api.names import GROUP, PLURAL, VERSION
from w2s_operator.cluster.api import Api, Bucket
from w2s_operator.cluster.audit import Audit
from w2s_operator.cluster.cache import Cache, Key
from w2s_operator.cluster.credentials import Credentials, load_configuration, open_session
from w2s_operator.cluster.events import Recorder
from w2s_operator.cluster.logs import ProgressReader
from w2s_operator.cluster.reflector import Reflector
from w2s_operator.cluster.starts import StartReader
from w2s_operator.cluster.views import PackedJob, child_job_of, child_pod_of, job_of
from w2s_operator.jobs_watch import JobsWatches
from w2s_operator.metrics import Metrics
from w2s_operator.observed import ChildJob, ChildPod
from w2s_operator.probes import Health, Watch, serve
from w2s_operator.queue import WorkQueue
from w2s_operator.settings import OperatorSettings
from w2s_operator.worker import Builder, Worker

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
        self._namespaces = settings.namespaces or ("",)
        self._metrics = Metrics()
        self._queue: WorkQueue[Key] = WorkQueue()
        self._waiting: dict[str, set[Key]] = {namespace: set() for namespace in self._namespaces}
        """Keys of namespaces that not everything is known of yet."""
        self.jobs: Cache[PackedJob] = Cache(job_of, self._changed)
        self._children: Cache[ChildJob] = Cache(child_job_of, self._changed)
        self._pods: Cache[ChildPod] = Cache(child_pod_of, self._changed, self._is_awaited)
        self._lists = {
            namespace: _list_path(f"/apis/{GROUP}/{VERSION}", namespace, PLURAL)
            for namespace in self._namespaces
        }
        self._jobs_watches = JobsWatches(self._lists)
        self._reflectors: dict[tuple[str, str], Reflector] = {}
        self._tasks: list[asyncio.Task[Any]] = []
        self._credentials: Credentials | None = None
        self._api: Api | None = None
        self._server: Any = None
        self.over = asyncio.Event()
        """The process is to end."""
        self.broken = False
        """A part that should run for ever has ended: the process is to be started again."""

    async def start(self) -> Self:
        """Begins to watch and, once everything was listed, to work. Returns when there are jobs to be watched:
        the CRD is installed, and we may read them."""
        settings = self._settings
        bucket = Bucket(settings.requests_per_second, settings.burst)
        configuration = await asyncio.to_thread(self._configuration)
        self._credentials = Credentials(configuration, self._configuration)
        self._api = api = await Api(self._credentials, bucket, self._metrics.requested).__aenter__()
        self._reflectors = {
            (namespace, what): Reflector(
                api, _list_path(group, namespace, what.lower()), cache, selector=SELECTOR
            )
            for namespace in self._namespaces
            for what, group, cache in (
                ("Jobs", "/apis/batch/v1", self._children),
                ("pods", "/api/v1", self._pods),
            )
        }
        audit = Audit(api, self._lists, self.jobs)
        reader = ProgressReader(api, self._pods, self._changed)
        starts = StartReader(api, self._pods, self._changed)
        worker = Worker(
            api,
            self._queue,
            self.jobs,
            self._children,
            lambda key: starts.with_problems(self._pods.of_job(key)),
            lambda: reader.progress,
            self._builder,
            Recorder(api),
            self._metrics,
            lost_after=settings.lost_after,
        )
        self._metrics.register_gauges(self._complete, lambda: len(self._queue))
        health = Health(
            lambda: [*self._watches(), *_listing(audit)],
            self._queue.standstill,
            lambda: self._late(audit),
        )
        self._metrics.watching(health.troubles, self._namespaces)
        self._server = await serve(health, self._metrics, settings.host, settings.port)
        self._run(
            {
                f"watch of {what} of {namespace or 'all namespaces'}": reflector.run()
                for (namespace, what), reflector in self._reflectors.items()
            }
        )
        await audit.first()
        self._jobs_watches.begin()
        self._run(
            {
                "progress": reader.run(),
                "starts": starts.run(),
                "audit": audit.run(),
                "workers": self._work(worker),
            }
        )
        return self

    async def stop(self) -> None:
        """Ends everything; what was decided and not yet done is decided again by the next process."""
        self.over.set()  # kopf waits for the tasks that wait for it
        for task in self._tasks:
            task.remove_done_callback(self._ended)
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.cleanup()
        if self._api is not None:
            await self._api.__aexit__()

    def session(self) -> tuple[str, aiohttp.ClientSession]:
        """Returns the server and a session for the watches of the jobs, which notes how they go."""
        assert self._credentials is not None, "it has been started"
        session = open_session(self._credentials, self._jobs_watches)
        return self._credentials.configuration.host, session

    def _run(self, parts: dict[str, Any]) -> None:
        for name, part in parts.items():
            task = asyncio.create_task(part, name=name)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        """Ends the process with any of its parts: without one it would be alive and do nothing."""
        error = None if task.cancelled() else task.exception()
        how = "was cancelled" if task.cancelled() else f"has ended: {error!r}" if error else "has ended"
        log.critical("%s %s; so does the process", task.get_name(), how, exc_info=error)
        self.broken = True
        self.over.set()

    async def _work(self, worker: Worker) -> None:
        await asyncio.gather(
            *(self._begin(namespace) for namespace in self._namespaces),
            *(worker.run() for _ in range(self._settings.workers)),
        )

    async def _begin(self, namespace: str) -> None:
        """Nobody acts in a namespace before everything there is known: what is not known yet looks as if it were
        not there."""
        reflectors = [reflector for (of, _), reflector in self._reflectors.items() if of == namespace]
        await asyncio.gather(*(reflector.synced.wait() for reflector in reflectors))
        log.info(
            "%s: listed; %d jobs, %d Jobs and %d pods are known",
            namespace or "all namespaces", len(self.jobs), len(self._children), len(self._pods),
        )  # fmt: skip
        for key in self._waiting.pop(namespace):
            self._queue.add(key)

    def _changed(self, job: Key) -> None:
        """Something of a job is new."""
        waiting = self._waiting.get(job[0] if self._settings.namespaces else "")
        if waiting is None:
            self._queue.add(job)
        else:
            waiting.add(job)

    def _is_awaited(self, pod: ChildPod) -> bool:
        """Whether the end of a pod that is gone is still to be counted: its Job says less, and says it later."""
        siblings = self._children.of_job((pod.namespace, pod.job))
        return pod.exit is not None and any(child.uid == pod.child_uid for child in siblings)

    def _watches(self) -> Iterator[Watch]:
        for (namespace, what), reflector in self._reflectors.items():
            name = f"{what} of {namespace or 'all namespaces'}"
            yield Watch(name, reflector.heard, reflector.trouble, namespace=namespace)
        yield from self._jobs_watches

    def _late(self, audit: Audit) -> Iterator[str]:
        """A watch that is refused and says so is not dead."""
        refused = {watch.namespace for watch in self._jobs_watches if watch.trouble}
        late = [key for key in audit.late if refused.isdisjoint(("", key[0]))]
        if late:
            yield f"the watch has not brought {len(late)} jobs, among them {'/'.join(late[0])}"

    def _complete(self) -> dict[str, int]:
        return Counter(view.complete for view in self.jobs)


def _listing(audit: Audit) -> Iterator[Watch]:
    for namespace, trouble in audit.trouble.items():
        yield Watch("jobs", time.monotonic(), trouble, namespace=namespace)


def _list_path(group: str, namespace: str, plural: str) -> str:
    return f"{group}/namespaces/{namespace}/{plural}" if namespace else f"{group}/{plural}"
