"""Why a pod on a node does not start where its status does not say: a volume that cannot be mounted, a network that
cannot be made. Only its Events tell, and they are asked about under one budget for all pods."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from w2s_api.status import MOST_MESSAGE
from w2s_operator.cluster.api import Api
from w2s_operator.cluster.cache import Key
from w2s_operator.cluster.errors import ApiError
from w2s_operator.observed import ChildPod, PodProblem
from w2s_operator.text import printable

PATIENCE = 4.0
"""Seconds on a node before it is asked why a pod has not started: most start by then."""
INTERVAL = 10.0
"""Seconds from one look at a pod to the next; doubled with each that finds nothing, as while an image is pulled."""
LONGEST_INTERVAL = 60.0
LOOKS_PER_SECOND = 2.0
"""At all pods together, at most: the API server reads all Events of a namespace to find those of a pod."""
_TICK = 1.0
_PAST = frozenset({"Pulling", "Pulled", "Created", "Started"})
"""What the kubelet says when volumes and network are there."""

log = logging.getLogger(__name__)


@dataclass
class _Wait:
    uid: str
    due: float
    pause: float = INTERVAL


class StartReader:
    """Looks at each pod that should have started by now."""

    def __init__(
        self,
        api: Api,
        pods: Iterable[ChildPod],
        changed: Callable[[Key], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        Args:
            api: requests.
            pods: those that there are.
            changed: is called with the key of a job one of whose pods has another problem.
            clock: seconds, monotonic.
            sleep: waits for seconds.
        """
        self._api = api
        self._pods = pods
        self._changed = changed
        self._clock = clock
        self._sleep = sleep
        self._waits: dict[Key, _Wait] = {}
        self._problems: dict[Key, PodProblem] = {}
        self._refused = ""

    def with_problems(self, pods: Sequence[ChildPod]) -> tuple[ChildPod, ...]:
        """The pods; those that wait have the problem that their Events report."""
        return tuple(
            replace(pod, problem=self._problems[_key(pod)])
            if _waits(pod) and _key(pod) in self._problems
            else pod
            for pod in pods
        )

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            for pod in self._due():
                await self._look(pod)
                await self._sleep(1 / LOOKS_PER_SECOND)
            await self._sleep(_TICK)

    def _due(self) -> list[ChildPod]:
        now = self._clock()
        waiting = {_key(pod): pod for pod in self._pods if _waits(pod)}
        known = {
            key: wait for key, wait in self._waits.items() if key in waiting and wait.uid == waiting[key].uid
        }
        self._waits = {key: known.get(key) or _Wait(pod.uid, now + PATIENCE) for key, pod in waiting.items()}
        self._problems = {key: problem for key, problem in self._problems.items() if key in known}
        due = sorted((wait.due, key) for key, wait in self._waits.items() if wait.due <= now)
        return [waiting[key] for _, key in due]

    async def _look(self, pod: ChildPod) -> None:
        key = _key(pod)
        wait, before = self._waits[key], self._problems.get(key)
        problem = problem_of(await self._events(pod))
        wait.pause = INTERVAL if problem or before else min(LONGEST_INTERVAL, 2 * wait.pause)
        wait.due = self._clock() + wait.pause
        if problem == before:
            return
        if problem:
            self._problems[key] = problem
        else:
            del self._problems[key]
        self._changed((pod.namespace, pod.job))

    async def _events(self, pod: ChildPod) -> Sequence[Any]:
        params = {"fieldSelector": f"involvedObject.uid={pod.uid}", "limit": "100"}
        try:
            page = await self._api.get(f"/api/v1/namespaces/{pod.namespace}/events", params)
        except ApiError as error:
            if str(error) != self._refused:
                log.warning("Events of %s/%s, which does not start: %s", pod.namespace, pod.name, error)
            self._refused = str(error)
            return ()
        items = page.get("items")
        return items if isinstance(items, list) else ()


def problem_of(events: Iterable[Any]) -> PodProblem | None:
    """What keeps a pod from starting that is on a node, by its newest Event that says so; None if it is past that.

    Args:
        events: of the pod. Anybody may have written them.
    """
    named = [event for event in events if isinstance(event, Mapping) and isinstance(event.get("reason"), str)]
    failed = [event for event in named if event.get("type") == "Warning" and _holds_up(event["reason"])]
    if not failed:
        return None
    newest = max(failed, key=_when)
    if any(event["reason"] in _PAST and _when(event) >= _when(newest) for event in named):
        return None
    return PodProblem(printable(newest["reason"], 64), printable(newest.get("message"), MOST_MESSAGE))


def _holds_up(reason: str) -> bool:
    """Whether it says what keeps a pod from starting: FailedMount, FailedAttachVolume, FailedCreatePodSandBox, …"""
    return reason.startswith("Failed") and reason != "FailedScheduling"  # which is over when it is on a node


def _waits(pod: ChildPod) -> bool:
    """Whether it is on a node, should start, and says nothing."""
    starts = pod.started is None and pod.exit is None and pod.deleting is None
    return starts and pod.problem is None and pod.phase == "Pending" and bool(pod.node)


def _when(event: Mapping[str, Any]) -> float:
    series = event.get("series")
    last = series.get("lastObservedTime") if isinstance(series, Mapping) else None
    time_: Any = last or event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp")
    try:
        return datetime.fromisoformat(time_).timestamp()
    except (TypeError, ValueError):
        return float("-inf")


def _key(pod: ChildPod) -> Key:
    return pod.namespace, pod.name
