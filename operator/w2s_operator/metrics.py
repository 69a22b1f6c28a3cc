"""What Prometheus scrapes. Labels are bounded: kinds of stages, conditions, verbs; never names of jobs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from w2s_api.names import STAGE_KINDS
from w2s_api.status import FINISHED, StageStatus, Status
from w2s_operator.times import to_seconds

_FAST = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_LONG = (1.0, 10.0, 60.0, 300.0, 1800.0, 7200.0, 28800.0, 86400.0)


class Metrics:
    """Counters of one operator process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._reconciles = Histogram(
            "w2s_reconcile_seconds", "Passes over a job.", buckets=_FAST, registry=self.registry
        )
        self._errors = Counter(
            "w2s_reconcile_errors", "Passes that failed, by what failed.", ["kind"], registry=self.registry
        )
        self._wait = Histogram(
            "w2s_queue_wait_seconds", "From ready to handled.", buckets=_FAST, registry=self.registry
        )
        self._requests = Counter(
            "w2s_api_requests", "Requests to the API server.", ["verb", "code"], registry=self.registry
        )
        self._stages = Histogram(
            "w2s_stage_seconds",
            "Runs of stages that were done.",
            ["kind"],
            buckets=_LONG,
            registry=self.registry,
        )
        self._runs = Counter(
            "w2s_stage_runs_ended",
            "Runs that ended, by outcome.",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self._jobs = Gauge(
            "w2s_jobs", "Jobs, by the state of condition Complete.", ["complete"], registry=self.registry
        )
        self._depth = Gauge("w2s_queue_depth", "Jobs that wait to be looked at.", registry=self.registry)

    @contextmanager
    def reconciling(self) -> Iterator[None]:
        """Times a pass."""
        with self._reconciles.time():
            yield

    def failed(self, kind: str) -> None:
        """A pass failed."""
        self._errors.labels(kind).inc()

    def waited(self, seconds: float) -> None:
        """A key was ready for so long."""
        self._wait.observe(seconds)

    def requested(self, verb: str, code: int) -> None:
        """A request was answered; code 0: it was not."""
        self._requests.labels(verb, str(code)).inc()

    def wrote(self, before: Status, after: Status) -> None:
        """A status was written: what came to an end with it is counted."""
        known = {stage.name: stage for stage in before.stages}
        for stage in after.stages:
            old = known.get(stage.name) or StageStatus(name=stage.name)
            kind = _kind(stage.name)
            if stage.state in FINISHED and old.state not in FINISHED:
                self._runs.labels(kind, stage.state).inc()
                if stage.state == "Done" and stage.start_time and stage.completion_time:
                    self._stages.labels(kind).observe(
                        to_seconds(stage.completion_time) - to_seconds(stage.start_time)
                    )
            # A failure that a retry would not mend is not counted in the status.
            if (stage.failures or 0) > (old.failures or 0) or (stage.state == "Failed" != old.state):
                self._runs.labels(kind, "Failed").inc()
            if (stage.disruptions or 0) > (old.disruptions or 0):
                self._runs.labels(kind, "Disrupted").inc()

    def register_gauges(self, complete: Callable[[], dict[str, int]], depth: Callable[[], int]) -> None:
        """Registers how many jobs there are and how long the queue is, counted when it is asked for."""
        for state in ("Unknown", "True", "False"):
            self._jobs.labels(state).set_function(partial(_count, complete, state))
        self._depth.set_function(depth)

    def watching(
        self, troubles: Callable[[], Mapping[str, Sequence[str]]], namespaces: Iterable[str]
    ) -> None:
        """How many watches of each namespace do not work; namespace "" is all of them."""
        failing = Gauge(
            "w2s_watches_failing", "Watches that do not work.", ["namespace"], registry=self.registry
        )
        for namespace in namespaces:
            failing.labels(namespace).set_function(partial(_failing, troubles, namespace))

    def text(self) -> bytes:
        """All of it, in the text format."""
        return generate_latest(self.registry)


def _count(complete: Callable[[], dict[str, int]], state: str) -> float:
    return complete().get(state, 0)


def _failing(troubles: Callable[[], Mapping[str, Sequence[str]]], namespace: str) -> float:
    return len(troubles().get(namespace, ()))


def _kind(stage: str) -> str:
    kind = stage.partition("-")[0]
    return kind if kind in STAGE_KINDS else "other"
