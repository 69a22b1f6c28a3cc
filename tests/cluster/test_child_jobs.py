"""Child Jobs before a real API server and on a real kubelet, in a namespace that enforces "restricted"."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, watch
from w2s_cluster import Settings, images

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "operator" / "children"))

from children_kit import action, child, job, spec
from pod_settings_kit import EVERYTHING

from w2s_operator.children.job import child_job
from w2s_operator.children.settings import Defaults

STAGES = ["prepare", "label-small", "aggregate", "select", "train-strong-0", "combine", "evaluate", "promote"]
STORAGE = {
    "storage__credentialsSecretRef": {"name": "keys"},
    "storage__caBundleRef": {"name": "trust", "key": "ca.pem"},
}
OF_THE_CLUSTER = ("priorityClassName", "runtimeClassName")
"""Settings that name objects which no namespace has."""


def of_namespace(made: dict[str, Any], namespace: str) -> dict[str, Any]:
    """The Job in a test's namespace; its owner does not exist there, and the garbage collector would take it."""
    made["metadata"]["namespace"] = namespace
    del made["metadata"]["ownerReferences"]
    return made


def new_namespace(api: client.ApiClient) -> Iterator[str]:
    core = client.CoreV1Api(api)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    name = core.create_namespace({"metadata": {"generateName": "children-", "labels": labels}}).metadata.name
    core.create_namespaced_service_account(name, {"metadata": {"name": "w2s-writer"}})
    yield name
    core.delete_namespace(name)


@pytest.fixture(scope="module")
def fake(kwok_cluster: Path) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(kwok_cluster)) as made:
        yield made


@pytest.fixture(scope="module")
def fake_namespace(fake: client.ApiClient) -> Iterator[str]:
    yield from new_namespace(fake)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("pods", [{}, EVERYTHING], ids=["no settings", "all settings"])
def test_the_api_server_takes_every_job_and_its_pod(fake, fake_namespace, stage, pods):
    made = child(stage, pods__default=pods, **STORAGE)
    made["metadata"]["namespace"] = fake_namespace
    strict = {"dry_run": "All", "field_validation": "Strict"}
    taken = client.BatchV1Api(fake).create_namespaced_job(fake_namespace, made, **strict)
    assert (taken.spec.backoff_limit == 0) != (taken.spec.backoff_limit_per_index == 0)
    assert taken.spec.suspend is False

    kept = {name: value for name, value in pods.items() if name not in OF_THE_CLUSTER}
    template = child(stage, pods__default=kept, **STORAGE)["spec"]["template"]
    template["metadata"]["generateName"] = "pod-"
    pod = client.CoreV1Api(fake).create_namespaced_pod(fake_namespace, template, **strict)
    assert pod.spec.restart_policy == "Never"


def test_a_queue_may_suspend_what_we_made(fake, fake_namespace):
    made = child("prepare", execution__queueName="all")
    made["spec"]["suspend"] = True  # as Kueue's webhook does
    of_namespace(made, fake_namespace)
    taken = client.BatchV1Api(fake).create_namespaced_job(fake_namespace, made)
    assert taken.spec.suspend is True
    assert taken.metadata.labels["kueue.x-k8s.io/queue-name"] == "all"


PROGRAM = """#!/usr/bin/env python3
import json, os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
time.sleep(float(os.environ.get("SECONDS_" + os.environ.get("JOB_COMPLETION_INDEX", ""), "0")))
code = int(os.environ.get("CODE_" + os.environ.get("JOB_COMPLETION_INDEX", ""), "0"))
given = dict(zip(sys.argv[3::2], sys.argv[4::2]))
job = json.load(open(given["--job"]))
secret = pathlib.Path(given.get("--credentials-dir", "/nowhere")) / "AWS_SECRET_ACCESS_KEY"
writable = [place for place in (given["--scratch"], given["--cache"], "/tmp", "/dev/shm", os.environ["HOME"])
            if os.access(place, os.W_OK)]
said = {"stage": job["stage"], "size": os.path.getsize(given["--job"]), "shard": given.get("--shard"),
        "writable": len(writable), "root": os.access("/", os.W_OK), "user": os.getuid(), "first": os.getpid(),
        "secret": secret.read_text() if secret.exists() else None, "threads": os.environ.get("OMP_NUM_THREADS"),
        "token": os.path.exists("/var/run/secrets/kubernetes.io"),
        "services": any(name.startswith("NEIGHBOUR_") for name in os.environ)}
open(given["--last-words"], "w").write(json.dumps(said))
sys.exit(code)
"""


@pytest.fixture(scope="module")
def real(cluster: Path) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(cluster)) as made:
        yield made


@pytest.fixture(scope="module")
def namespace(real: client.ApiClient) -> Iterator[str]:
    yield from new_namespace(real)


@pytest.fixture(scope="module")
def defaults(cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> Defaults:
    """With an image whose `w2s` says what it finds in its pod."""
    context = tmp_path_factory.mktemp("context")
    (context / "w2s").write_text(PROGRAM)
    (context / "w2s").chmod(0o755)
    (context / "Containerfile").write_text("ARG BASE\nFROM ${BASE}\nCOPY w2s /usr/local/bin/w2s\n")
    reference = images.build(context / "Containerfile", context, "w2s-child:1", {"BASE": images.base()})
    images.load(Settings.of("node"), reference)
    return Defaults(image=reference)


def container_states(api: client.ApiClient, namespace: str, name: str) -> Iterator[tuple[str, Any]]:
    """(pod name, state of its container) as they change, for a minute."""
    pods = client.CoreV1Api(api).list_namespaced_pod
    for event in watch.Watch().stream(pods, namespace, label_selector=f"job-name={name}", timeout_seconds=60):
        for status in event["object"].status.container_statuses or ():
            yield event["object"].metadata.name, status.state


def test_a_pod_finds_all_that_it_is_told_of(real, namespace, defaults):
    neighbour = {"metadata": {"name": "neighbour"}, "spec": {"ports": [{"port": 80}]}}
    client.CoreV1Api(real).create_namespaced_service(namespace, neighbour)
    rules = [{"className": "other", "pattern": "x" * 500} for _ in range(200)]
    functions = {"name": "rules", "type": "Functions", "functions": {"rules": rules}, "shards": 2}
    wanted = spec(
        weak__labelers=[functions],
        pods__default={"resources": {"limits": {"cpu": "1500m", "memory": "128Mi"}}},
    )
    made = of_namespace(child_job(job(), action(wanted, "label-rules"), defaults), namespace)
    name = client.BatchV1Api(real).create_namespaced_job(namespace, made).metadata.name
    ended: dict[str, dict[str, Any]] = {}
    for pod, state in container_states(real, namespace, name):
        if state.terminated:
            ended[pod] = json.loads(state.terminated.message)
        if len(ended) == 2:
            break
    said = sorted(ended.values(), key=lambda one: one["shard"])
    assert [one["shard"] for one in said] == ["0/2", "1/2"]
    for one in said:
        assert one["size"] > 100_000
        about = {key: value for key, value in one.items() if key not in ("shard", "size")}
        assert about == {
            "stage": "label-rules",
            "writable": 5,
            "root": False,
            "user": 65532,
            "first": 1,
            "secret": None,
            "threads": "2",
            "token": False,
            "services": False,
        }


def test_a_secret_that_comes_late_is_named_and_then_found(real, namespace, defaults):
    wanted = spec(storage__credentialsSecretRef={"name": "late"})
    made = of_namespace(child_job(job(), action(wanted, "prepare"), defaults), namespace)
    name = client.BatchV1Api(real).create_namespaced_job(namespace, made).metadata.name
    told = None
    for _, state in container_states(real, namespace, name):
        if told is None and state.waiting and state.waiting.reason == "CreateContainerConfigError":
            told = state.waiting.message
            keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hush"}
            secret = {"metadata": {"name": "late"}, "stringData": keys}
            client.CoreV1Api(real).create_namespaced_secret(namespace, secret)
        if state.terminated:
            assert '"secret": "hush"' in state.terminated.message
            break
    else:
        raise AssertionError(f"the pod never ended; it was told: {told}")
    assert told == 'secret "late" not found'


def sharded(api: client.ApiClient, namespace: str, defaults: Defaults, run: int, **behaviour: str) -> str:
    """Name of a Job of four shards that do as their environment says."""
    env = [{"name": name, "value": value} for name, value in behaviour.items()]
    wanted = action(spec(pods__default={"env": env}), "label-small", run)
    made = of_namespace(child_job(job(), wanted, defaults), namespace)
    name: str = client.BatchV1Api(api).create_namespaced_job(namespace, made).metadata.name
    return name


def failed(api: client.ApiClient, namespace: str, name: str) -> tuple[Any, Any]:
    """The status of a Job, and its condition, once it has failed."""
    jobs = client.BatchV1Api(api).list_namespaced_job
    found = watch.Watch().stream(jobs, namespace, field_selector=f"metadata.name={name}", timeout_seconds=90)
    for event in found:
        for condition in event["object"].status.conditions or ():
            if condition.type == "Failed" and condition.status == "True":
                return event["object"].status, condition
    raise AssertionError(f"Job {name} did not fail in 90 s")


def test_an_evicted_shard_leaves_the_others_to_finish(real, namespace, defaults):
    name = sharded(real, namespace, defaults, 1, SECONDS_0="600", SECONDS_1="8", SECONDS_2="8", SECONDS_3="8")
    for pod, state in container_states(real, namespace, name):
        if state.running and f"{name}-0-" in pod:
            eviction = {"metadata": {"name": pod}}
            client.CoreV1Api(real).create_namespaced_pod_eviction(pod, namespace, eviction)
            break
    status, condition = failed(real, namespace, name)
    assert (status.completed_indexes, status.failed_indexes) == ("1-3", "0")
    assert condition.reason == "FailedIndexes"


def test_data_that_one_shard_cannot_use_ends_all_at_once(real, namespace, defaults):
    name = sharded(
        real, namespace, defaults, 2, CODE_1="65", SECONDS_0="600", SECONDS_2="600", SECONDS_3="600"
    )
    status, condition = failed(real, namespace, name)
    assert condition.reason == "PodFailurePolicy"
    assert "rule at index 0" in condition.message
    assert status.completed_indexes in (None, "")


def test_a_fault_of_one_shard_is_not_tried_again_by_kubernetes(real, namespace, defaults):
    name = sharded(real, namespace, defaults, 3, CODE_2="70")
    status, condition = failed(real, namespace, name)
    assert condition.reason == "FailedIndexes"
    assert (status.completed_indexes, status.failed_indexes, status.failed) == ("0,1,3", "2", 1)
