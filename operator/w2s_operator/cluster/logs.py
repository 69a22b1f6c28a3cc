"""Progress of running stages, from the ends of their pods' logs, under one budget for all of them."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from w2s_api.child_jobs import CONTAINER
from w2s_api.status import StageProgress
from w2s_operator.cluster.api import Api
from w2s_operator.cluster.cache import Key
from w2s_operator.cluster.errors import ApiError
from w2s_operator.observed import ChildPod
from w2s_operator.text import printable
from w2s_operator.times import from_seconds

INTERVAL = 15.0
"""Seconds from one look at a pod to the next, at least."""
LOOKS_PER_SECOND = 20.0
"""At all pods together, at most."""
_TAIL = {"container": CONTAINER, "tailLines": "20", "limitBytes": "16384"}


class ProgressReader:
    """Looks at each running pod in turn."""

    def __init__(
        self,
        api: Api,
        pods: Iterable[ChildPod],
        changed: Callable[[Key], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            api: requests.
            pods: those that there are.
            changed: is called with the key of a job whose progress has changed.
            clock: seconds since the epoch.
        """
        self._api = api
        self._pods = pods
        self._changed = changed
        self._clock = clock
        self.progress: dict[Key, StageProgress] = {}
        """How far the running pods are, by pod."""

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            running = [pod for pod in self._pods if pod.running]
            self.progress = {key: self.progress[key] for key in map(_key, running) if key in self.progress}
            pause = max(INTERVAL / max(1, len(running)), 1 / LOOKS_PER_SECOND)
            for pod in running:
                await self._look(pod)
                await asyncio.sleep(pause)
            if not running:
                await asyncio.sleep(1.0)

    async def _look(self, pod: ChildPod) -> None:
        try:
            tail = await self._api.text(f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/log", _TAIL)
        except ApiError:
            return  # it has just ended, or its node does not answer
        progress = progress_of(tail, from_seconds(self._clock()))
        if progress and progress != self.progress.get(_key(pod)):
            self.progress[_key(pod)] = progress
            self._changed((pod.namespace, pod.job))


def progress_of(tail: str, time_: str) -> StageProgress | None:
    """The last progress line of a log; what a pod says is not trusted.

    Args:
        tail: the end of the log.
        time_: of the look, RFC 3339.
    """
    for line in reversed(tail.splitlines()):
        if not line.startswith("{"):
            continue
        try:
            return _progress(json.loads(line), time_)
        except (ValueError, RecursionError):
            continue
    return None


def _progress(plain: dict[str, Any], time_: str) -> StageProgress:
    step, total, eta, loss = (plain.get(name) for name in ("step", "total", "eta", "loss"))
    if not (_is_count(step) and _is_count(total)):
        raise ValueError("another line")
    return StageProgress(
        phase=printable(str(plain.get("message", "")), 64).strip(),
        step=step,
        total=total,
        eta_seconds=round(eta) if isinstance(eta, (int, float)) and 0 <= eta < 1e9 else None,
        loss=f"{loss:.4f}" if isinstance(loss, (int, float)) and abs(loss) < 1e9 else None,
        observed_time=time_,
    )


def _key(pod: ChildPod) -> Key:
    return pod.namespace, pod.name


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
