"""Reconciles one job after another: observe, plan, write the status if it differs, act."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from w2s_api.names import StageKind
from w2s_api.status import StageProgress
from w2s_operator.cluster.api import Api, Json
from w2s_operator.cluster.cache import Cache, Key
from w2s_operator.cluster.errors import ApiError, Conflict, Invalid, TooLarge
from w2s_operator.cluster.events import Recorder
from w2s_operator.cluster.views import PackedJob
from w2s_operator.metrics import Metrics
from w2s_operator.observed import ChildJob, ChildPod, Job, Observed, Refusal
from w2s_operator.planning.actions import Action, CreateRun, DeleteChild, DeleteSelf, ReleaseChildren
from w2s_operator.planning.plan import Plan, plan
from w2s_operator.planning.view import LOST_AFTER
from w2s_operator.queue import WorkQueue
from w2s_operator.requests import (
    create_child,
    delete_child,
    delete_self,
    read_job,
    release_children,
    write_status,
)
from w2s_operator.status.job_events import job_events
from w2s_operator.status.throttle import write_delay

MAX_CONFLICT_RETRIES = 5
"""Times that a pass is repeated at once because somebody else wrote to the job meanwhile."""

MIN_REQUEUE_DELAY = 0.5
"""Seconds before a job is planned again because the planner asked for it: what is overdue must not become a hot loop."""

log = logging.getLogger(__name__)


class Builder(Protocol):
    """Makes child Jobs."""

    def child(self, job: Job, action: CreateRun) -> Json:
        """The Job of a run. Raises ValueError if the settings cannot become one."""

    def settings_hash(self, spec: bytes) -> Mapping[StageKind, str]:
        """Hash of the pod settings of each kind of stage."""


@dataclass
class _Memory:
    """What the worker remembers of a job from one pass to the next."""

    uid: str
    written: float | None = None
    """When its status was last written, monotonic; at first, when that was first thought of."""
    refused: dict[str, Refusal] = field(default_factory=dict)
    """Jobs that the API server refused, by stage."""


class Worker:
    """Handles keys of the queue, each by one worker at a time."""

    def __init__(
        self,
        api: Api,
        queue: WorkQueue[Key],
        jobs: Cache[PackedJob],
        children: Cache[ChildJob],
        pods: Callable[[Key], tuple[ChildPod, ...]],
        progress: Callable[[], Mapping[Key, StageProgress]],
        builder: Builder,
        recorder: Recorder,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        lost_after: float = LOST_AFTER,
    ) -> None:
        self._api = api
        self._queue = queue
        self._jobs = jobs
        self._children = children
        self._pods = pods
        self._progress = progress
        self._builder = builder
        self._recorder = recorder
        self._metrics = metrics
        self._clock = clock
        self._monotonic = monotonic
        self._lost_after = lost_after
        self._memories: dict[Key, _Memory] = {}

    async def run(self) -> None:
        """Takes keys until it is cancelled."""
        while True:
            key, waited = await self._queue.take()
            self._metrics.waited(waited)
            try:
                with self._metrics.reconciling():
                    await self.handle(key)
            except asyncio.CancelledError:
                raise
            except ApiError as error:
                wait = self._queue.failed(key, error.retry_after or 0.0)
                self._metrics.failed(type(error).__name__)
                level = logging.INFO if isinstance(error, Conflict) else logging.WARNING
                log.log(level, "%s/%s: %s; again in %.1f s", *key, error, wait)
            except Exception:
                wait = self._queue.failed(key)
                self._metrics.failed("Defect")
                log.exception("%s/%s: a defect of the operator; again in %.1f s", *key, wait)
            else:
                self._queue.done(key)

    async def handle(self, key: Key) -> None:
        """One pass over one job; again at once, on what is there now, if somebody else has changed it meanwhile.

        Raises:
            ApiError: the API server refused something; the pass is to be made again.
        """
        for _ in range(MAX_CONFLICT_RETRIES):
            try:
                return await self._pass(key)
            except Conflict:
                raw = await read_job(self._api, key)
                if raw is None:
                    return self._jobs.drop(key)
                self._jobs.put(raw)
        return await self._pass(key)

    async def _pass(self, key: Key) -> None:
        packed = self._jobs.get(key)
        if packed is None:
            self._queue.forget(key)
            self._memories.pop(key, None)
            return
        job, memory = packed.unpack(), self._memory(key, packed.uid)
        observed = self._observe(key, job, memory)
        planned = plan(observed, self._clock(), self._builder.settings_hash, self._lost_after)
        if planned.wake_at is not None:
            wait = max(MIN_REQUEUE_DELAY, planned.wake_at - self._clock())
            self._queue.add_at(key, self._monotonic() + wait)
        await self._write(key, job, memory, planned)
        errors = [await self._act(key, job, memory, action) for action in planned.actions]
        for error in errors:
            if error is not None:
                raise error

    def _observe(self, key: Key, job: Job, memory: _Memory) -> Observed:
        pods, progress = self._pods(key), self._progress()
        names = {(pod.namespace, pod.name): pod.name for pod in pods}
        return Observed(
            job,
            tuple(child for child in self._children.of_job(key) if child.job_uid == job.uid),
            pods,
            {name: progress[pod] for pod, name in names.items() if pod in progress},
            memory.refused,
        )

    def _memory(self, key: Key, uid: str) -> _Memory:
        memory = self._memories.get(key)
        if memory is None or memory.uid != uid:
            memory = self._memories[key] = _Memory(uid)
        return memory

    async def _write(self, key: Key, job: Job, memory: _Memory, planned: Plan) -> None:
        """Writes the status if it differs and it is time. What actions rest on is always written at once."""
        wait = write_delay(job.status, planned.status) if planned.status else None
        if planned.status is None or wait is None:
            return
        now = self._monotonic()
        memory.written = now if memory.written is None else memory.written
        due = memory.written + wait
        if wait and due > now:
            self._queue.add_at(key, due)
            return
        self._jobs.put(await write_status(self._api, job, planned.status))
        memory.written = self._monotonic()
        self._metrics.wrote(job.status, planned.status)
        for event in job_events(job.status, planned.status):
            await self._recorder.post(job, event)

    async def _act(self, key: Key, job: Job, memory: _Memory, action: Action) -> ApiError | None:
        """Carries out an action. Returns why a Job was refused if it may be taken later: other stages need not wait."""
        match action:
            case CreateRun():
                return await self._create(key, job, memory, action)
            case DeleteChild():
                await self._delete(job, action)
            case ReleaseChildren():
                await release_children(self._api, job)
                for child in self._children.of_job(key):  # or each event of their end would ask again
                    self._children.drop((child.namespace, child.name))
            case DeleteSelf():
                await delete_self(self._api, job)
        return None

    async def _create(self, key: Key, job: Job, memory: _Memory, action: CreateRun) -> ApiError | None:
        """Creates the Job of a run. If the API server refuses it, the status says so in the next pass."""
        stage, reason, message = action.stage.name, "InvalidPodSettings", ""
        try:
            raw = await create_child(self._api, self._builder.child(job, action))
        except (Invalid, TooLarge, ValueError) as error:
            message = str(error)
            if isinstance(error, ApiError):
                reason, message = error.reason or reason, f"The API server refused its Job: {error.message}"
            memory.refused[stage] = Refusal(action.instance, action.run, reason, message, final=True)
            self._queue.add(key)
            return None
        except ApiError as error:
            if error.code < 400 or isinstance(
                error, Conflict
            ):  # the server is away, or a quota changed meanwhile
                raise
            reason = error.reason or type(error).__name__
            message = f"The API server refused its Job: {error.message}"
            memory.refused[stage] = Refusal(action.instance, action.run, reason, message, final=False)
            return error
        memory.refused.pop(stage, None)
        self._children.put(raw)
        log.info("%s/%s: created Job %s", job.namespace, job.name, raw["metadata"]["name"])
        return None

    async def _delete(self, job: Job, action: DeleteChild) -> None:
        if await delete_child(self._api, job.namespace, action.name, action.uid):
            log.info("%s/%s: deleted Job %s (%s)", job.namespace, job.name, action.name, action.why)
        child = (job.namespace, action.name)
        view = self._children.get(child)
        if view is not None and view.uid == action.uid:  # or each pass would delete it again
            self._children.drop(child)
