"""The pod of a stage. It meets the Pod Security Standard "restricted" whatever the manifest says."""

import re
from typing import Any

from w2s_api.child_jobs import CONTAINER, STAGE_JOB_ANNOTATION
from w2s_api.spec.pods import EnvFrom, EnvVar, PodSettings, Resources, Volume
from w2s_api.stage import Stage
from w2s_operator.children.settings import ChildSettings
from w2s_operator.children.storage import storage_parts

_JOB_DIRECTORY, _JOB_FILE = "/w2s/job", "job.json"
_SCRATCH, _CACHE = "/w2s/scratch", "/w2s/cache"
"""Below /w2s, where manifests may mount nothing."""
_TERMINATION_LOG = "/dev/termination-log"
_INDEX = "$(JOB_COMPLETION_INDEX)"
"""Kubernetes sets the variable in pods of an Indexed Job, and puts it into arguments."""

Parts = list[dict[str, Any]]


def pod_spec(stage: Stage, settings: ChildSettings) -> dict[str, Any]:
    """The spec of a stage's pods.

    Args:
        stage: what runs.
        settings: of its kind.
    """
    pods, storage = settings.pods, storage_parts(settings)
    placed = {
        "imagePullSecrets": _plain(pods.image_pull_secrets),
        "nodeSelector": pods.node_selector,
        "affinity": pods.affinity,
        "tolerations": _plain(pods.tolerations),
        "priorityClassName": pods.priority_class_name,
        "runtimeClassName": pods.runtime_class_name,
        "serviceAccountName": pods.service_account_name,
    }
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": pods.termination_grace_period_seconds,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": _security(settings.user),
        **{name: value for name, value in placed.items() if value is not None},
        "containers": [_container(stage, settings)],
        "volumes": [*_own_volumes(pods), *storage.volumes, *map(_volume, pods.volumes or ())],
    }


def processes(resources: Resources | None) -> int | None:
    """How many processes tune one student: one a GPU; None where no GPU is asked for.

    Slices of a GPU count as one together: a process sees one slice, and slices cannot talk to each other.
    """
    limits = (resources.limits if resources else None) or {}
    whole = sum(int(amount) for name, amount in limits.items() if _GPU.fullmatch(name) and amount.isdecimal())
    sliced = any(_SLICE.fullmatch(name) and amount != "0" for name, amount in limits.items())
    return whole or (1 if sliced else None)


_GPU = re.compile(r"[^/]+/gpu|gpu\.intel\.com/(i915|xe)")
_SLICE = re.compile(r"[^/]+/(gpu\.shared|mig-.+)")


def _container(stage: Stage, settings: ChildSettings) -> dict[str, Any]:
    pods, storage = settings.pods, storage_parts(settings)
    given = {
        "imagePullPolicy": pods.image_pull_policy,
        "resources": _plain(pods.resources),
        "envFrom": [_env_from(source) for source in pods.env_from] if pods.env_from else None,
    }
    own = [*_environment(pods), *storage.env, *_secrets(stage, settings)]
    overridden = {variable.name for variable in pods.env or ()}
    return {
        "name": CONTAINER,
        "image": pods.image,
        "command": ["w2s"],
        "args": ["stage", stage.name, *_options(stage, pods), *storage.arguments],
        "env": [
            *(variable for variable in own if variable["name"] not in overridden),
            *map(_env, pods.env or ()),
        ],
        **{name: value for name, value in given.items() if value is not None},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePath": _TERMINATION_LOG,
        "terminationMessagePolicy": "File",  # never the log, which may quote documents
        "volumeMounts": [
            {"name": "job", "mountPath": _JOB_DIRECTORY, "readOnly": True},
            {"name": "scratch", "mountPath": _SCRATCH},
            {"name": "scratch", "mountPath": "/tmp"},
            {"name": "cache", "mountPath": _CACHE},
            {"name": "shared-memory", "mountPath": "/dev/shm"},
            *storage.mounts,
            *map(_mount, pods.volumes or ()),
        ],
    }


def _options(stage: Stage, pods: PodSettings) -> list[str]:
    """Options of `w2s stage`."""
    options = ["--job", f"{_JOB_DIRECTORY}/{_JOB_FILE}", "--last-words", _TERMINATION_LOG]
    options += ["--scratch", _SCRATCH, "--cache", _CACHE]
    if stage.shards > 1:
        options += ["--shard", f"{_INDEX}/{stage.shards}"]
    if stage.processes == "PerGPU" and (count := processes(pods.resources)):
        options += ["--processes", str(count)]
    return options


def _environment(pods: PodSettings) -> Parts:
    """Variables of our own. What the user sets under the same name replaces them."""
    plain = {
        "HOME": _SCRATCH,
        "USER": "w2s",  # libraries ask for it, and the image knows no user of this number
        "XDG_CACHE_HOME": f"{_CACHE}/xdg",
        "HF_HOME": f"{_CACHE}/huggingface",
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "W2S_IMAGE": pods.image or "",
        "W2S_PROGRESS_SECONDS": "5",
    }
    env: Parts = [{"name": name, "value": value} for name, value in plain.items()]
    if pods.resources and "cpu" in (pods.resources.limits or {}):
        # torch counts the node's cores; of those it could use it gets no more than the limit.
        limit = {"containerName": CONTAINER, "resource": "limits.cpu", "divisor": "1"}
        env.append({"name": "OMP_NUM_THREADS", "valueFrom": {"resourceFieldRef": limit}})
    return env


def _secrets(stage: Stage, settings: ChildSettings) -> Parts:
    """Keys that a labeler needs, for its own pods. The kubelet waits for a Secret that is missing, and names it."""
    variables = settings.secrets.get(stage.labeler or "", {})
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": reference.name, "key": reference.key}}}
        for name, reference in variables.items()
    ]


def _own_volumes(pods: PodSettings) -> Parts:
    job_file = {
        "path": _JOB_FILE,
        "fieldRef": {"fieldPath": f"metadata.annotations['{STAGE_JOB_ANNOTATION}']"},
    }
    cache: dict[str, Any] = {"emptyDir": {}}
    if pods.cache and pods.cache.claim_name:
        cache = {"persistentVolumeClaim": {"claimName": pods.cache.claim_name}}
    elif pods.cache and pods.cache.size_limit:
        cache = {"emptyDir": {"sizeLimit": pods.cache.size_limit}}
    return [
        {"name": "job", "downwardAPI": {"items": [job_file]}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "cache", **cache},
        {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": pods.shared_memory}},
    ]


def _security(user: int | None) -> dict[str, Any]:
    context: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if user is not None:
        context |= {"runAsUser": user, "runAsGroup": user, "fsGroup": user}
        context["fsGroupChangePolicy"] = "OnRootMismatch"  # a cache of many files is not walked at each start
    return context


def _volume(volume: Volume) -> dict[str, Any]:
    source: dict[str, Any]
    if volume.persistent_volume_claim:
        source = {"persistentVolumeClaim": {"claimName": volume.persistent_volume_claim.name}}
        if volume.read_only:  # else a disk is attached for writing, to one node only
            source["persistentVolumeClaim"]["readOnly"] = True
    elif volume.secret:
        source = {"secret": {"secretName": volume.secret.name}}
    else:
        assert volume.config_map is not None
        source = {"configMap": {"name": volume.config_map.name}}
    return {"name": _user_volume(volume), **source}


def _mount(volume: Volume) -> dict[str, Any]:
    mount: dict[str, Any] = {"name": _user_volume(volume), "mountPath": volume.mount_path}
    return {**mount, "readOnly": True} if volume.read_only else mount


def _user_volume(volume: Volume) -> str:
    """Never the name of a volume of ours."""
    return f"user-{volume.name}"


def _env(variable: EnvVar) -> dict[str, Any]:
    if variable.secret_key_ref:
        return {"name": variable.name, "valueFrom": {"secretKeyRef": _plain(variable.secret_key_ref)}}
    if variable.config_map_key_ref:
        return {"name": variable.name, "valueFrom": {"configMapKeyRef": _plain(variable.config_map_key_ref)}}
    return {"name": variable.name, "value": variable.value}


def _env_from(source: EnvFrom) -> dict[str, Any]:
    plain: dict[str, Any] = _plain(source)
    return plain


def _plain(value: Any) -> Any:
    """A struct as JSON, for fields that have the names that Kubernetes gives them."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if value is None else value.model_dump(mode="json", by_alias=True, exclude_none=True)
