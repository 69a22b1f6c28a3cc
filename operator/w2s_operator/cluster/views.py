"""From objects of the API server to what the planner sees: the few fields that matter. Pure.

Names that many objects share are kept once (`intern`): a burst has thousands of them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Any

from pydantic import ValidationError

from w2s_api.artifact_list import unpack
from w2s_api.child_jobs import (
    CONTAINER,
    HANDS_OFF_ANNOTATION,
    INSTANCE_ANNOTATION,
    JOB_LABEL,
    JOB_UID_LABEL,
    RETRY_ANNOTATION,
    RUN_LABEL,
    SETTINGS_ANNOTATION,
    STAGE_KEY_ANNOTATION,
    STAGE_LABEL,
)
from w2s_api.status import MOST_MESSAGE, Status
from w2s_operator.observed import ChildJob, ChildPod, Exit, Job, PodProblem, Words
from w2s_operator.text import printable

_MOST_WORDS = 4096
_PASSING = frozenset({"ContainerCreating", "PodInitializing", ""})
"""Reasons of a waiting container that are no problem."""

_NEVER_BEGAN = frozenset({"StartError", "ContainerCannotRun"})
"""Reasons of a container that has ended and never ran: its message is the runtime's."""

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PackedJob:
    """A WeakToStrongJob, packed: there may be ten thousand of them, and few change."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    created: float
    spec: bytes
    status: bytes
    complete: str
    """The state of its condition Complete, or Unknown."""
    retry: str
    hands_off: bool
    deleting: bool

    @property
    def job(self) -> str:
        """Its name: it belongs to itself."""
        return self.name

    def unpack(self) -> Job:
        """The job as the planner reads it."""
        status = _status(self.status)
        return Job(
            namespace=self.namespace,
            name=self.name,
            uid=self.uid,
            resource_version=self.resource_version,
            generation=self.generation,
            created=self.created,
            spec=self.spec,
            status=status,
            # Flux takes away what was annotated by hand: the last retry that was asked for stands.
            retry=self.retry or status.retry or "",
            hands_off=self.hands_off,
            deleting=self.deleting,
        )


def job_of(raw: Raw) -> PackedJob:
    """A WeakToStrongJob."""
    meta = raw["metadata"]
    annotations = meta.get("annotations") or {}
    return PackedJob(
        namespace=intern(meta["namespace"]),
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        generation=meta["generation"],
        created=_seconds(meta["creationTimestamp"]) or 0.0,
        spec=_packed(raw["spec"]),
        status=_packed(raw.get("status") or {}),
        complete=_complete(raw.get("status") or {}),
        retry=str(annotations.get(RETRY_ANNOTATION, ""))[:256],
        hands_off=annotations.get(HANDS_OFF_ANNOTATION) == "true" or bool(raw["spec"].get("managedBy")),
        deleting="deletionTimestamp" in meta,
    )


def child_job_of(raw: Raw) -> ChildJob:
    """A Job that we created."""
    meta, status = raw["metadata"], raw.get("status") or {}
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    ended = next(
        (
            condition
            for condition in status.get("conditions") or ()
            if condition["type"] in ("Complete", "Failed") and condition["status"] == "True"
        ),
        None,
    )
    return ChildJob(
        namespace=intern(meta["namespace"]),
        name=intern(meta["name"]),
        uid=intern(meta["uid"]),
        job=intern(labels.get(JOB_LABEL, "")),
        job_uid=intern(labels.get(JOB_UID_LABEL, "")),
        stage=intern(labels.get(STAGE_LABEL, "")),
        stage_key=annotations.get(STAGE_KEY_ANNOTATION, ""),
        instance=intern(annotations.get(INSTANCE_ANNOTATION, "")),
        run=int(labels.get(RUN_LABEL, "0")),
        settings=intern(annotations.get(SETTINGS_ANNOTATION, "")),
        created=_seconds(meta["creationTimestamp"]) or 0.0,
        deleting=_seconds(meta.get("deletionTimestamp")),
        suspended=bool(raw.get("spec", {}).get("suspend")) or _is(status, "Suspended"),
        began=_seconds(status.get("startTime")),
        condition=ended["type"] if ended else None,
        reason=(ended or {}).get("reason", ""),
        message=(ended or {}).get("message", "")[:MOST_MESSAGE],
        ended=_seconds((ended or {}).get("lastTransitionTime")),
    )


def _is(status: Raw, type_: str) -> bool:
    return any(
        condition["type"] == type_ and condition["status"] == "True"
        for condition in status.get("conditions") or ()
    )


def child_pod_of(raw: Raw) -> ChildPod:
    """A pod of such a Job."""
    meta, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    owner: Raw = next((ref for ref in meta.get("ownerReferences") or () if ref["kind"] == "Job"), {})
    container = _named(status.get("containerStatuses"))
    state = container.get("state") or {}
    ended = state.get("terminated")
    running = (state.get("running") or {}).get("startedAt") or (ended or {}).get("startedAt")
    limits = (_named(spec.get("containers")).get("resources") or {}).get("limits") or {}
    return ChildPod(
        namespace=intern(meta["namespace"]),
        name=meta["name"],
        uid=intern(meta["uid"]),
        child_uid=intern(owner.get("uid", "")),
        job=intern(labels.get(JOB_LABEL, "")),
        stage=intern(labels.get(STAGE_LABEL, "")),
        instance=intern(annotations.get(INSTANCE_ANNOTATION, "")),
        created=_seconds(meta["creationTimestamp"]) or 0.0,
        phase=intern(status.get("phase", "Pending")),
        node=intern(spec.get("nodeName", "")),
        started=_seconds(running) or None,  # 1970 is of one that could not be started
        deleting=_seconds(meta.get("deletionTimestamp")),
        problem=None if running else _problem(status, state),
        exit=_exit(ended, status),
        disrupted=_disrupted(status),
        memory_limit=str(limits.get("memory", "")),
    )


def words_of(message: str) -> Words | None:
    """Last words of a pod: what is not as it should be is left out, control characters too."""
    try:
        plain = json.loads(message[:_MOST_WORDS])
    except (ValueError, RecursionError):  # as nested as it is hostile
        return None
    if not isinstance(plain, dict):
        return None
    artifact = plain.get("artifact")
    figures = plain.get("figures")
    return Words(
        outcome=printable(plain.get("outcome"), 16),
        reason=printable(plain.get("reason"), 64),
        message=printable(plain.get("message"), MOST_MESSAGE),
        artifact=printable(artifact, 64) if artifact else None,
        figures=figures if isinstance(figures, dict) else {},
        artifacts=_artifacts(plain.get("artifacts")),
    )


def _artifacts(plain: Any) -> dict[str, str]:
    try:
        keys = unpack(plain) if isinstance(plain, str) else plain
    except ValueError:
        return {}
    return {
        printable(name, 63): printable(key, 64)
        for name, key in (keys if isinstance(keys, dict) else {}).items()
    }


def _complete(status: Raw) -> str:
    conditions = status.get("conditions") or ()
    complete: Raw = next((condition for condition in conditions if condition["type"] == "Complete"), {})
    return intern(str(complete.get("status", "Unknown")))


def _packed(plain: Any) -> bytes:
    # kopf hands out views of what it got, which json does not know.
    return json.dumps(plain, separators=(",", ":"), default=dict).encode()


def _status(packed: bytes) -> Status:
    try:
        return Status.model_validate_json(packed)
    except ValidationError:
        return Status()  # of a version that we do not know: it is worked out again


def _problem(status: Raw, state: Raw) -> PodProblem | None:
    """Why a pod has not started."""
    waiting = state.get("waiting") or {}
    if (reason := waiting.get("reason", "")) not in _PASSING:
        return PodProblem(printable(reason, 64), printable(waiting.get("message"), MOST_MESSAGE))
    for container in status.get("initContainerStatuses") or ():
        held_up = (container.get("state") or {}).get("waiting") or {}
        if (reason := held_up.get("reason", "")) not in _PASSING:
            where = f"init container {container.get('name')}: "
            return PodProblem(
                printable(reason, 64), printable(where + str(held_up.get("message", "")), MOST_MESSAGE)
            )
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            reason, message = condition.get("reason"), condition.get("message")
            return PodProblem(printable(reason, 64), printable(message, MOST_MESSAGE))
    return None


def _exit(ended: Raw | None, status: Raw) -> Exit | None:
    if ended:
        reason, message = printable(ended.get("reason"), 64), ended.get("message") or ""
        words = (
            Words("Failed", message=printable(message, MOST_MESSAGE))
            if reason in _NEVER_BEGAN
            else words_of(message)
        )
        return Exit(ended["exitCode"], reason, words, _seconds(ended.get("finishedAt")))
    if (
        status.get("phase") == "Failed"
    ):  # refused by the kubelet, or its node is gone: no container ever ended
        reason, message = printable(status.get("reason"), 64), printable(status.get("message"), MOST_MESSAGE)
        if init := _failed_init_container(status):
            reason, message = "InitContainerFailed", init
        return Exit(-1, reason or "PodFailed", Words("Failed", reason, message))
    return None


def _failed_init_container(status: Raw) -> str:
    """Which container before the stage's own has failed, as one that a mesh injects; empty if none has."""
    for container in status.get("initContainerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            why = f": {ended['message']}" if ended.get("message") else ""
            message = f"init container {container.get('name')} ended with exit code {ended['exitCode']}{why}"
            return printable(message, MOST_MESSAGE)
    return ""


def _disrupted(status: Raw) -> str | None:
    for condition in status.get("conditions") or ():
        if condition["type"] == "DisruptionTarget" and condition["status"] == "True":
            return printable(condition.get("reason"), 64) or "DisruptionTarget"
    return None


def _named(items: Any) -> Raw:
    container: Raw = next((item for item in items or () if item.get("name") == CONTAINER), {})
    return container


def _seconds(time: str | None) -> float | None:
    return None if time is None else datetime.fromisoformat(time).timestamp()
