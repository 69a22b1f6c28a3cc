"""Each pod setting reaches the pod, by default and for a kind of stage, and is part of the settings' hash."""

from collections.abc import Callable
from typing import Any

import pytest
from children_kit import DEFAULTS, child, container, env, mounts, pod, spec, volumes
from pod_settings_kit import AFFINITY, EVERYTHING

from w2s_api.spec.pods import PodSettings
from w2s_operator.children.settings import Defaults, settings_hash

ARRIVED: dict[str, Callable[[dict[str, Any]], bool]] = {
    "image": lambda made: container(made)["image"] == env(made)["W2S_IMAGE"]["value"] == EVERYTHING["image"],
    "imagePullPolicy": lambda made: container(made)["imagePullPolicy"] == "Always",
    "imagePullSecrets": lambda made: pod(made)["imagePullSecrets"] == [{"name": "registry"}],
    "resources": lambda made: container(made)["resources"] == EVERYTHING["resources"],
    "nodeSelector": lambda made: pod(made)["nodeSelector"] == {"gpu": "a100"},
    "affinity": lambda made: pod(made)["affinity"] == AFFINITY,
    "tolerations": lambda made: pod(made)["tolerations"] == EVERYTHING["tolerations"],
    "priorityClassName": lambda made: pod(made)["priorityClassName"] == "low",
    "runtimeClassName": lambda made: pod(made)["runtimeClassName"] == "nvidia",
    "serviceAccountName": lambda made: pod(made)["serviceAccountName"] == "w2s-writer",
    "env": lambda made: (
        container(made)["env"][-3:]
        == [
            {"name": "PLAIN", "value": "$(HOME)/x"},
            {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}},
            {"name": "HF_ENDPOINT", "valueFrom": {"configMapKeyRef": {"name": "proxy", "key": "hub"}}},
        ]
    ),
    "envFrom": lambda made: container(made)["envFrom"] == EVERYTHING["envFrom"],
    "volumes": lambda made: (
        [
            volumes(made)["user-models"],
            volumes(made)["user-keys"],
            volumes(made)["user-files"],
            mounts(made)["/models"],
            mounts(made)["/keys"],
            mounts(made)["/files"],
        ]
        == [
            {"name": "user-models", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}},
            {"name": "user-keys", "secret": {"secretName": "keys"}},
            {"name": "user-files", "configMap": {"name": "files"}},
            {"name": "user-models", "mountPath": "/models", "readOnly": True},
            {"name": "user-keys", "mountPath": "/keys"},
            {"name": "user-files", "mountPath": "/files"},
        ]
    ),
    "cache": lambda made: volumes(made)["cache"]["persistentVolumeClaim"] == {"claimName": "cache"},
    "sharedMemory": lambda made: (
        volumes(made)["shared-memory"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "8Gi"}
        and mounts(made)["/dev/shm"]["name"] == "shared-memory"
    ),
    "terminationGracePeriodSeconds": lambda made: pod(made)["terminationGracePeriodSeconds"] == 300,
    "labels": lambda made: made["spec"]["template"]["metadata"]["labels"]["team"] == "legal",
    "annotations": lambda made: (
        made["spec"]["template"]["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"
    ),
    "queueName": lambda made: made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus",
}


def test_no_field_is_forgotten() -> None:
    fields = {field.alias for field in PodSettings.model_fields.values()}
    assert fields == set(ARRIVED) == set(EVERYTHING)


@pytest.mark.parametrize("field", ARRIVED)
@pytest.mark.parametrize("place", ["default", "train"])
def test_a_field_reaches_the_pod_and_the_hash(field: str, place: str) -> None:
    changes = {f"pods__{place}": {field: EVERYTHING[field]}}
    assert ARRIVED[field](child("train-strong-0", **changes))
    hashes = {settings_hash(one, "train", DEFAULTS) for one in (spec(), spec(**changes))}
    assert len(hashes) == 2


@pytest.mark.parametrize("field", ARRIVED)
def test_what_a_stage_gives_is_for_that_stage_alone(field: str) -> None:
    changes = {"pods__train": {field: EVERYTHING[field]}}
    assert child("select", **changes) == child("select")


def test_a_stages_own_settings_replace_the_default_field_by_field() -> None:
    made = child(
        "train-strong-0",
        pods__default={"image": "common", "priorityClassName": "low", "nodeSelector": {"a": "b"}},
        pods__train={"image": "own", "nodeSelector": {"c": "d"}},
    )
    assert container(made)["image"] == "own"
    assert pod(made)["nodeSelector"] == {"c": "d"}
    assert pod(made)["priorityClassName"] == "low"


def test_without_settings_the_operators_defaults_hold() -> None:
    made = child(defaults=Defaults(image="default:1", shared_memory="2Gi", grace_seconds=90, user=1234))
    assert container(made)["image"] == "default:1"
    assert volumes(made)["shared-memory"]["emptyDir"]["sizeLimit"] == "2Gi"
    assert pod(made)["terminationGracePeriodSeconds"] == 90
    assert pod(made)["securityContext"]["runAsUser"] == pod(made)["securityContext"]["fsGroup"] == 1234
    assert volumes(made)["cache"]["emptyDir"] == {}
    assert not {"resources", "imagePullPolicy", "envFrom"} & set(container(made))


def test_on_openshift_the_namespace_gives_the_user() -> None:
    context = pod(child(defaults=Defaults(image="i", user=None)))["securityContext"]
    assert context == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_the_pods_own_cache_may_be_bounded() -> None:
    made = child(pods__default={"cache": {"sizeLimit": "20Gi"}})
    assert volumes(made)["cache"]["emptyDir"] == {"sizeLimit": "20Gi"}


def test_the_users_variable_replaces_ours_and_no_name_is_given_twice() -> None:
    mine = {"name": "HF_HOME", "value": "/models/hf"}
    made = child(pods__default={"env": [mine]})
    assert [one for one in container(made)["env"] if one["name"] == "HF_HOME"] == [mine]


def test_labels_that_the_operator_finds_its_pods_by_are_not_the_users_to_write() -> None:
    made = child(pods__default={"labels": {"app.kubernetes.io/managed-by": "me", "team": "y"}})
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels == {**made["metadata"]["labels"], "team": "y"}
    assert labels["app.kubernetes.io/managed-by"] == "w2s-operator"


@pytest.mark.parametrize(
    ("limits", "threads"),
    [
        ({"cpu": "4"}, True),
        ({"cpu": "500m", "memory": "1Gi"}, True),
        ({"memory": "1Gi"}, False),
        (None, False),
    ],
)
def test_torch_gets_as_many_threads_as_the_limit_allows(limits: dict[str, str] | None, threads: bool) -> None:
    made = child(pods__default={"resources": {"limits": limits} if limits else {"requests": {"cpu": "1"}}})
    found = env(made).get("OMP_NUM_THREADS")
    limit = {"containerName": "stage", "resource": "limits.cpu", "divisor": "1"}
    assert found == (
        {"name": "OMP_NUM_THREADS", "valueFrom": {"resourceFieldRef": limit}} if threads else None
    )


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        ({"nvidia.com/gpu": "2"}, "2"),
        ({"amd.com/gpu": "8", "cpu": "64"}, "8"),
        ({"gpu.intel.com/i915": "2"}, "2"),
        ({"example.com/gpu": "3"}, "3"),
        ({"nvidia.com/gpu": "1"}, "1"),
        ({"nvidia.com/mig-1g.5gb": "2"}, "1"),
        ({"nvidia.com/gpu.shared": "2"}, "1"),
        ({"nvidia.com/gpu": "0"}, None),
        ({"example.com/fpga": "2", "cpu": "2"}, None),
    ],
)
def test_whole_gpus_are_the_processes_that_tune_one_student(
    limits: dict[str, str], count: str | None
) -> None:
    pods = {"resources": {"limits": limits}}
    args = container(child("train-strong-0", pods__train=pods))["args"]
    assert (args[args.index("--processes") + 1] if "--processes" in args else None) == count
    for stage, kind in (("train-frozen", "train"), ("label-one", "label")):
        assert "--processes" not in container(child(stage, **{f"pods__{kind}": pods}))["args"]
