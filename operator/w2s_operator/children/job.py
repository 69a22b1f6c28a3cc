"""The Job of a run of a stage."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from w2s_api.child_jobs import (
    CONTAINER,
    INSTANCE_ANNOTATION,
    JOB_LABEL,
    JOB_UID_LABEL,
    MANAGED_BY,
    MANAGER_LABEL,
    QUEUE_LABEL,
    QUEUE_PREFIX,
    RUN_LABEL,
    SETTINGS_ANNOTATION,
    STAGE_JOB_ANNOTATION,
    STAGE_KEY_ANNOTATION,
    STAGE_LABEL,
    child_name,
)
from w2s_api.exit_codes import FINAL
from w2s_api.names import API_VERSION, KIND, STAGE_KINDS, StageKind
from w2s_api.stage_job import StageJob
from w2s_operator.children.pod import pod_spec
from w2s_operator.children.settings import ChildSettings, Defaults, settings_hash
from w2s_operator.manifest import parse
from w2s_operator.observed import Job
from w2s_operator.planning.actions import CreateRun
from w2s_operator.planning.outcome import DISRUPTION_RULE, EXIT_CODE_RULE

MOST_ANNOTATIONS = (256 - 8) * 1024
"""Bytes. Kubernetes allows 256 KiB of annotations; what networks and webhooks add needs some room."""


class ManifestTooLarge(ValueError):
    """A manifest that is too large to be given to a pod."""


def child_job(job: Job, action: CreateRun, defaults: Defaults) -> dict[str, Any]:
    """The Job of a run (batch/v1). Pure: the same run is the same Job.

    `spec.suspend` is never written: it is the queue's. Neither are a TTL and deadlines: they are the planner's.

    Raises:
        ManifestTooLarge: the manifest does not fit into the pod's annotations.
    """
    stage, settings = action.stage, ChildSettings.of(action.spec, action.stage.kind, defaults)
    labels = {
        MANAGER_LABEL: MANAGED_BY,
        JOB_LABEL: job.name,
        JOB_UID_LABEL: job.uid,
        STAGE_LABEL: stage.name,
        RUN_LABEL: str(action.run),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": child_name(job.name, stage.name, job.uid, action.instance, action.run),
            "namespace": job.namespace,
            "labels": {**_of_queue(settings), **labels},
            "annotations": {
                INSTANCE_ANNOTATION: action.instance,
                STAGE_KEY_ANNOTATION: stage.key,
                SETTINGS_ANNOTATION: settings.hash(),
            },
            "ownerReferences": [_owner(job)],
        },
        "spec": {
            **_completion(stage.shards),
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": _failure_policy(indexed=stage.shards > 1),
            "template": {
                "metadata": {
                    "labels": {**(settings.pods.labels or {}), **labels},
                    "annotations": _annotations(job, action, settings),
                },
                "spec": pod_spec(stage, settings),
            },
        },
    }


class ChildJobs:
    """Makes child Jobs, as the operator's defaults have them.

    Args:
        defaults: what pods get where the manifest says nothing.
    """

    def __init__(self, defaults: Defaults) -> None:
        self._defaults = defaults
        self._hashes = lru_cache(maxsize=128)(self._hash)

    def child(self, job: Job, action: CreateRun) -> dict[str, Any]:
        """The Job of a run; ManifestTooLarge, a ValueError, if it cannot be."""
        return child_job(job, action, self._defaults)

    def settings_hash(self, spec: bytes) -> Mapping[StageKind, str]:
        """Hash of the settings of each kind of stage; nothing for a spec that breaks a rule."""
        return self._hashes(spec)

    def _hash(self, spec: bytes) -> Mapping[StageKind, str]:
        try:
            parsed, _ = parse(spec)
        except ValidationError:
            return {}
        return {kind: settings_hash(parsed, kind, self._defaults) for kind in STAGE_KINDS}


def _owner(job: Job) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": job.name,
        "uid": job.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _completion(shards: int) -> dict[str, Any]:
    """A pod is tried once: each retry is a run of its own, which the planner decides.

    A Job with a limit for each index may have none for the whole, or one lost shard would end the others.
    """
    if shards == 1:
        return {"backoffLimit": 0}
    return {
        "completionMode": "Indexed",
        "completions": shards,
        "parallelism": shards,
        "backoffLimitPerIndex": 0,
    }


def _failure_policy(*, indexed: bool) -> dict[str, Any]:
    """What a failed Job tells when its pods are gone: the place of the rule that ended it.

    Of several shards, a disrupted one leaves the others to finish: what they label is kept, and the next run
    finds it. A manifest, data or credentials that one shard cannot use end all: no work of theirs would last.
    """
    rules: dict[int, dict[str, Any]] = {
        EXIT_CODE_RULE: {
            "action": "FailJob",
            "onExitCodes": {
                "containerName": CONTAINER,
                "operator": "In",
                "values": sorted(int(code) for code in FINAL),
            },
        },
        DISRUPTION_RULE: {
            "action": "FailIndex" if indexed else "FailJob",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        },
    }
    return {"rules": [rules[place] for place in sorted(rules)]}


def _of_queue(settings: ChildSettings) -> dict[str, str]:
    """Kueue reads queue and priority from the Job's labels, not from the pods'."""
    of_pods = settings.pods.labels or {}
    labels = {name: value for name, value in of_pods.items() if name.startswith(QUEUE_PREFIX)}
    return labels | ({QUEUE_LABEL: settings.queue} if settings.queue else {})


def _annotations(job: Job, action: CreateRun, settings: ChildSettings) -> dict[str, str]:
    """The annotations of the pod, with its frozen job file. Two passes over the same run write the same bytes."""
    frozen = StageJob(
        job.namespace, job.name, action.spec, action.stage, action.stage.key, action.needs
    ).to_json()
    annotations = {
        **(settings.pods.annotations or {}),
        INSTANCE_ANNOTATION: action.instance,
        STAGE_JOB_ANNOTATION: _text(frozen),
    }
    size = sum(_bytes(name) + _bytes(value) for name, value in annotations.items())
    if size > MOST_ANNOTATIONS:
        raise ManifestTooLarge(_too_large(size, action, frozen["spec"], settings))
    return annotations


def _too_large(size: int, action: CreateRun, spec: Mapping[str, Any], settings: ChildSettings) -> str:
    parts = {f"spec.{name}": _bytes(_text(value)) for name, value in spec.items()}
    if settings.pods.annotations:
        parts[f"spec.pods.{action.stage.kind}.annotations"] = _bytes(_text(settings.pods.annotations))
    largest = max(parts, key=lambda name: parts[name])
    hint = (
        "Put the certificates into a ConfigMap and name it in `storage.caBundleRef`."
        if largest == "spec.storage"
        else "Shorten it."
    )
    return (
        f"The manifest has {size} bytes as stage {action.stage.name} would be given it; a pod can be given"
        f" {MOST_ANNOTATIONS}. The largest part is {largest} with {parts[largest]} bytes. {hint}"
    )


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _bytes(text: str) -> int:
    return len(text.encode())
