"""Kubernetes Events of a job: each thing once, however often it is found again."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from w2s_api.keys import digest
from w2s_api.names import API_VERSION, KIND
from w2s_operator.cluster.api import Api
from w2s_operator.cluster.errors import ApiError
from w2s_operator.observed import Job
from w2s_operator.status.job_events import JobEvent
from w2s_operator.times import from_seconds

REPEAT = 3600.0
"""Seconds after which the same Event may be posted again."""
REMEMBERED = 4096

log = logging.getLogger(__name__)


class Recorder:
    """Writes Events. One that cannot be written is logged and let go: it is news, not state."""

    def __init__(self, api: Api, clock: Callable[[], float] = time.time) -> None:
        self._api = api
        self._clock = clock
        self._posted: OrderedDict[str, float] = OrderedDict()

    async def post(self, job: Job, event: JobEvent) -> None:
        """Posts it, unless the same was posted within the hour."""
        now, what = self._clock(), digest([job.uid, job.generation, job.retry, event.reason, event.message])
        if now - self._posted.get(what, float("-inf")) < REPEAT:
            return
        log.info("%s/%s: %s: %s", job.namespace, job.name, event.reason, event.message)
        time_ = from_seconds(now)
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{job.name[:200]}.", "namespace": job.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "namespace": job.namespace,
                "name": job.name,
                "uid": job.uid,
            },
            "type": event.type,
            "reason": event.reason,
            "message": event.message[:1024],
            "source": {"component": "w2s-operator"},
            "firstTimestamp": time_,
            "lastTimestamp": time_,
            "count": 1,
        }
        try:
            await self._api.create(f"/api/v1/namespaces/{job.namespace}/events", body)
        except ApiError as error:
            log.warning("event %s of %s/%s: %s", event.reason, job.namespace, job.name, error)
            return
        self._posted[what] = now
        self._posted.move_to_end(what)
        while len(self._posted) > REMEMBERED:
            self._posted.popitem(last=False)
