"""What a plan asks for, as requests to the API server."""

import logging
from typing import Any

from pydantic import BaseModel

from w2s_api.child_jobs import INSTANCE_ANNOTATION, JOB_UID_LABEL
from w2s_api.names import GROUP, PLURAL, VERSION
from w2s_api.status import Results, Status
from w2s_operator.cluster.api import Api, Json
from w2s_operator.cluster.errors import AlreadyExists, Conflict, NameTaken, NotFound
from w2s_operator.observed import Job

log = logging.getLogger(__name__)

_BACKGROUND = {"propagationPolicy": "Background"}


def jobs_path(namespace: str, name: str = "") -> str:
    """The path of the child Jobs of a namespace, or of one of them."""
    return f"/apis/batch/v1/namespaces/{namespace}/jobs" + (f"/{name}" if name else "")


def custom_path(namespace: str, name: str) -> str:
    """The path of a WeakToStrongJob."""
    return f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}/{name}"


async def write_status(api: Api, job: Job, status: Status) -> Json:
    """Writes a status, if nobody has changed the job since it was read.

    Raises:
        Conflict: somebody has, or has deleted it.
    """
    body = {"metadata": {"resourceVersion": job.resource_version, "uid": job.uid}, "status": _patch(status)}
    try:
        return await api.merge(custom_path(job.namespace, job.name) + "/status", body)
    except NotFound as gone:
        raise Conflict(gone.code, gone.reason, gone.message) from None


async def read_job(api: Api, key: tuple[str, str]) -> Json | None:
    """The job as it is now, None if it is gone. It is listed, not read: that needs no further right."""
    namespace, name = key
    params = {"fieldSelector": f"metadata.name={name}"}
    page = await api.get(custom_path(namespace, "").rstrip("/"), params)
    return next(iter(page["items"] or ()), None)


async def create_child(api: Api, body: Json) -> Json:
    """Creates a child Job. One that is there already is taken if it is the same run of the same job.

    Raises:
        NameTaken: something else has that name, or the old one is still going.
    """
    meta = body["metadata"]
    try:
        return await api.create(jobs_path(meta["namespace"]), body)
    except AlreadyExists:
        existing = await api.get(jobs_path(meta["namespace"], meta["name"]))
    existing_meta = existing["metadata"]
    same = (
        _uid(existing_meta) == _uid(meta)
        and (existing_meta.get("annotations") or {}).get(INSTANCE_ANNOTATION)
        == meta["annotations"][INSTANCE_ANNOTATION]
        and "deletionTimestamp" not in existing_meta
    )
    if not same:
        raise NameTaken(409, "NameTaken", f"Job {meta['name']} exists and is not ours, or is being deleted.")
    return existing


async def delete_child(api: Api, namespace: str, name: str, uid: str) -> bool:
    """Deletes a child Job; its pods are given their grace period. False if it was gone already."""
    try:
        await api.delete(jobs_path(namespace, name), {**_BACKGROUND, "preconditions": {"uid": uid}})
    except (NotFound, Conflict):
        return False
    return True


async def release_children(api: Api, job: Job) -> None:
    """Deletes all child Jobs of a job in one request."""
    await api.delete(jobs_path(job.namespace), _BACKGROUND, {"labelSelector": f"{JOB_UID_LABEL}={job.uid}"})


async def delete_self(api: Api, job: Job) -> None:
    """Deletes the job itself; what it owns goes with it."""
    try:
        path = custom_path(job.namespace, job.name)
        await api.delete(path, {**_BACKGROUND, "preconditions": {"uid": job.uid}})
    except (NotFound, Conflict):
        log.debug("%s/%s is gone already", job.namespace, job.name)


def _patch(status: Status) -> dict[str, Any]:
    """The status as a merge patch: a field that is no longer set must be written as null, or it would stay."""
    patch = _nulls(Status) | status.to_json()
    if patch["results"] is not None:
        patch["results"] = _nulls(Results) | patch["results"]
    return patch


def _nulls(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: None for name, field in model.model_fields.items()}


def _uid(meta: Any) -> str | None:
    return next(
        (owner["uid"] for owner in meta.get("ownerReferences") or () if owner.get("controller")), None
    )
