"""What interrupts a job on real pods: evictions, rotated keys, a namespace or a node that goes."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import w2s_cluster
from contract_kit import Job, Object, until
from e2e_kit import BUCKET, JOBS_ROLE, POD, Site, example, licences, log, step
from kubernetes import client

from w2s_trainer.store.embedded import ROLES

pytestmark = pytest.mark.e2e
FAKE, TAINT = "w2s-fake-0", "test.w2s.dev/fake=true:NoSchedule"


@pytest.fixture(scope="module")
def data(here: Site) -> Object:
    gold, pool = licences(here.folder, gold=200, pool=160)
    return {
        "data__gold__uri": here.rows(f"s3://{BUCKET}/data/some/gold.jsonl", gold),
        "data__unlabeled__uri": here.rows(f"s3://{BUCKET}/data/some/pool.jsonl", pool),
        "data__goldBudget": 20,
        "evaluation": {"seeds": 1, "controls": []},
        "promotion": {"mustBeat": []},
    }


def lora(here: Site, namespace: str, name: str, data: Object, epochs: int) -> Job:
    """A job whose student is tuned by LoRA for about a minute, saved every few seconds."""
    tuning = {"type": "LoRA", "lora": {"rank": 4, "targets": "Attention"}, "head": {"l2": "2"}}
    training = {"epochs": epochs, "batchSize": 16, "checkpointIntervalSeconds": 5, "dropout": "0.1"}
    plain = example("restricted")
    changes = {"strong__tuning": tuning, "strong__training": training, "strong__maxTokens": 96}
    return here.job(namespace, name, plain, **data, **changes)


def student(here: Site, job: Job) -> str:
    """Digest of the weights that `train-strong-0` made."""
    key = job.stage("train-strong-0")["artifact"]
    folder = f"{job.spec['storage']['uri']}/artifacts/train/{key}/"
    found = [one.uri for one in here.objects.list(folder) if one.uri.endswith("/student.safetensors")]
    assert len(found) == 1, [one.uri for one in here.objects.list(folder)]
    return hashlib.sha256(here.objects.read(found[0])).hexdigest()


def test_a_training_that_is_evicted_three_times_and_deleted_once_ends_with_the_same_weights(
    here, namespace_with_operator, data
):
    def delete(pod: Object) -> None:  # `kubectl delete pod`: it is gone before its Job has failed
        job.api("DELETE", job.pod_path(pod))

    calm = lora(here, namespace_with_operator, "calm", data, epochs=10).apply()
    job = lora(here, namespace_with_operator, "evicted", data, epochs=10).apply()
    job.until_state("train-strong-0", "Running", seconds=150)
    reached, last = 0, ""
    for end in (job.evict, job.evict, job.evict, delete):
        pod = job.running_pod("train-strong-0", other_than=last)
        reached = until("training to get further", lambda: step(job, pod) > reached and step(job, pod), 90)  # noqa: B023
        print("ended at step", reached, [line for line in log(job, pod).splitlines() if "going on" in line])
        end(pod)
        last = pod["metadata"]["name"]
        until("the pod to go", lambda: last not in [one["metadata"]["name"] for one in job.pods()], 60)  # noqa: B023
    calm.until_complete(seconds=300)
    status = job.until_complete(seconds=200)
    stage = job.stage("train-strong-0")
    assert (stage["disruptions"], stage.get("failures"), stage["run"]) == (4, None, 5)
    assert student(here, job) == student(here, calm)
    assert status["results"] == calm.status["results"]


def test_keys_that_are_rotated_while_it_trains(here, namespace_with_operator, data):
    job = lora(here, namespace_with_operator, "rotated", data, epochs=15).apply()
    job.until_state("train-strong-0", "Running", seconds=200)
    pod = job.running_pod("train-strong-0")
    until("the first steps", lambda: step(job, pod) > 0, 90)
    here.restart_store({**ROLES, "jobs-2": JOBS_ROLE})
    here.put_secret(job.namespace, here.keys("jobs-2"))
    try:
        job.until_complete(seconds=400)
        stage = job.stage("train-strong-0")
        print(json.dumps(stage))
        assert (stage.get("failures"), stage["run"]) == (None, 1)
    finally:
        here.restart_store({**ROLES, "jobs": JOBS_ROLE})
        here.put_secret(job.namespace, here.keys())


@pytest.fixture
def two_namespaces(here: Site) -> Iterator[tuple[str, str]]:
    with here.namespace() as staying, here.namespace() as going:
        yield staying, going


def namespace_gone(here: Site, name: str) -> bool:
    try:
        here.api.core.read_namespace(name)
    except client.ApiException as error:
        return bool(error.status == 404)
    return False


def test_a_namespace_goes_while_its_jobs_run_and_the_others_go_on(here, two_namespaces, data):
    staying, going = two_namespaces
    watched = f"watchNamespaces={{{staying},{going}}}"
    with here.operator(
        staying, watched, "crds.enabled=false", "rbac.aggregate=false", release="w2s-operator"
    ):
        job = lora(here, going, "doomed", data, epochs=15).apply()
        job.until_state("prepare", "Running", "Done", seconds=60)
        here.api.core.delete_namespace(going)
        until("the namespace to go", lambda: namespace_gone(here, going), 90)
        other = here.job(staying, "other", example("restricted"), **data).apply()
        other.until_state("prepare", "Done", seconds=60)
        # A request that is refused for ever must not end the operator, nor keep it busy.
        pods = here.api.core.list_namespaced_pod(
            staying, label_selector="app.kubernetes.io/name=w2s-operator"
        )
        assert [one.status.container_statuses[0].restart_count for one in pods.items] == [0]
        other.until_complete(seconds=200)


def test_a_namespace_goes_with_its_jobs_and_no_operator(here, data):
    with here.namespace() as name, here.operator(name, "crds.enabled=false", "rbac.aggregate=false"):
        job = lora(here, name, "doomed", data, epochs=15).apply()
        job.until_state("prepare", "Running", "Done", seconds=60)
        here.scale_operator(name, 0)
        here.api.core.delete_namespace(name)
        until("the namespace to go", lambda: namespace_gone(here, name), 90)


@pytest.fixture
def second_node(here: Site) -> Iterator[str]:
    w2s_cluster.fake_nodes(1, mode="node", prefix=FAKE.removesuffix("-0"), taint=TAINT)
    yield FAKE
    here.kubectl("delete", "node", FAKE)


def test_a_shard_is_lost_with_its_node(here, namespace_with_operator, data, second_node):
    apart = {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": {"matchLabels": {"w2s.dev/stage": "label-rules"}},
                }
            ]
        }
    }
    gone: list[dict[str, Any]] = [
        {
            "key": f"node.kubernetes.io/{what}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 2,
        }
        for what in ("not-ready", "unreachable")
    ]
    pods = {
        **POD,
        "affinity": apart,
        "tolerations": [{"key": "test.w2s.dev/fake", "operator": "Exists"}, *gone],
        "annotations": {"test.w2s.dev/hold": "true"},  # on the fake node it does not end
        "terminationGracePeriodSeconds": 5,
    }
    plain = example("restricted")
    plain["weak"]["labelers"][0]["shards"] = 2
    job = here.job(namespace_with_operator, "sharded", plain, **data, pods__label=pods).apply()

    def placed() -> bool:
        where = {one["spec"].get("nodeName"): one["status"]["phase"] for one in job.pods("label-rules")}
        return where.get("w2s-node") == "Succeeded" and where.get(FAKE) == "Running"

    until("one shard to be done and one to run on the other node", placed, 120)
    w2s_cluster.lose_fake_node(FAKE, mode="node")
    job.until_complete(seconds=300)
    stage = job.stage("label-rules")
    print(json.dumps(stage))
    assert (stage["disruptions"], stage.get("failures"), stage["run"]) == (1, None, 2)
