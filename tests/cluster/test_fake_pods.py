"""The kwok mode: fake pods that end as their annotations say, fast and in number."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import w2s_cluster
from kubernetes import client, config, watch

PODS = 50


@pytest.fixture(scope="module")
def api(kwok_cluster: Path) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(kwok_cluster)) as made:
        yield made


@pytest.fixture(scope="module")
def namespace(api: client.ApiClient) -> Iterator[str]:
    core = client.CoreV1Api(api)
    made = core.create_namespace({"metadata": {"generateName": "smoke-"}})
    yield made.metadata.name
    core.delete_namespace(made.metadata.name)


def job(name: str, **annotations: str) -> dict[str, Any]:
    told = {f"test.w2s.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    pod = {"containers": [{"name": "main", "image": "never-pulled"}], "restartPolicy": "Never"}
    spec = {"backoffLimit": 0, "template": {"metadata": {"annotations": told}, "spec": pod}}
    return {"metadata": {"name": name}, "spec": spec}


def pods_until(api: client.ApiClient, namespace: str, selector: str, wanted: int, holds) -> dict[str, Any]:
    """The first `wanted` pods (by Job name) of which the condition was seen to hold."""
    seen: dict[str, Any] = {}
    pods = client.CoreV1Api(api).list_namespaced_pod
    for event in watch.Watch().stream(pods, namespace, label_selector=selector, timeout_seconds=60):
        pod = event["object"]
        if holds(pod):
            seen[pod.metadata.labels["job-name"]] = pod
        if len(seen) == wanted:
            return seen
    raise AssertionError(f"{len(seen)} of {wanted} pods in 60 s")


def terminated(pod: Any) -> Any:
    return pod.status.container_statuses and pod.status.container_statuses[0].state.terminated


def test_fifty_pods_end_with_the_exit_codes_and_messages_of_their_annotations(api, namespace):
    codes = {f"job-{number}": number % 5 for number in range(PODS)}
    for name, code in codes.items():
        wanted = job(name, exit_code=str(code), message=f'{{"name": "{name}"}}')
        wanted["spec"]["template"]["metadata"]["labels"] = {"group": "fifty"}
        client.BatchV1Api(api).create_namespaced_job(namespace, wanted)
    pods = pods_until(api, namespace, "group=fifty", PODS, terminated)

    assert {name: terminated(pod).exit_code for name, pod in pods.items()} == codes
    assert {name: terminated(pod).message for name, pod in pods.items()} == {
        n: f'{{"name": "{n}"}}' for n in codes
    }
    phases = {name: "Failed" if code else "Succeeded" for name, code in codes.items()}
    assert {name: pod.status.phase for name, pod in pods.items()} == phases


def test_a_delay_is_kept(api, namespace):
    client.BatchV1Api(api).create_namespaced_job(namespace, job("slow", delay="2s"))
    slow = pods_until(api, namespace, "job-name=slow", 1, terminated)["slow"]
    ran = terminated(slow).finished_at - terminated(slow).started_at
    assert 1 <= ran.total_seconds() <= 20


def test_an_evicted_pod_leaves_with_its_stop_code_and_the_job_names_the_disruption(api, namespace):
    held = job("held", hold="true", stop_exit_code="75", stop_message="saved")
    rule = {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    held["spec"]["podFailurePolicy"] = {"rules": [rule]}
    client.BatchV1Api(api).create_namespaced_job(namespace, held)
    running = pods_until(api, namespace, "job-name=held", 1, lambda pod: pod.status.phase == "Running")[
        "held"
    ]

    eviction = {"metadata": {"name": running.metadata.name, "namespace": namespace}}
    client.CoreV1Api(api).create_namespaced_pod_eviction(running.metadata.name, namespace, eviction)
    last = pods_until(api, namespace, "job-name=held", 1, terminated)["held"]

    assert (terminated(last).exit_code, terminated(last).message) == (75, "saved")
    assert [c.reason for c in last.status.conditions if c.type == "DisruptionTarget"] == [
        "EvictionByEvictionAPI"
    ]
    jobs = watch.Watch().stream(
        client.BatchV1Api(api).list_namespaced_job,
        namespace,
        field_selector="metadata.name=held",
        timeout_seconds=60,
    )
    reasons = (
        c.reason for event in jobs for c in event["object"].status.conditions or [] if c.type == "Failed"
    )
    assert next(reasons) == "PodFailurePolicy"


def test_a_lost_node_is_not_ready_and_keeps_its_pods_terminating(api, namespace):
    core = client.CoreV1Api(api)
    lost, *_ = w2s_cluster.fake_nodes(1, prefix="lost")
    try:
        held = job("on-lost", hold="true")
        held["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": lost}
        client.BatchV1Api(api).create_namespaced_job(namespace, held)
        running = "job-name=on-lost"
        pod = pods_until(api, namespace, running, 1, lambda pod: pod.status.phase == "Running")["on-lost"]
        w2s_cluster.lose_fake_node(lost)

        for event in watch.Watch().stream(
            core.list_node, field_selector=f"metadata.name={lost}", timeout_seconds=60
        ):
            taints = {taint.key for taint in event["object"].spec.taints or []}
            if "node.kubernetes.io/unreachable" in taints:
                break
        else:
            raise AssertionError("the node was not tainted in 60 s")
        core.delete_namespaced_pod(pod.metadata.name, namespace, grace_period_seconds=1)
        events = watch.Watch().stream(
            core.list_namespaced_pod, namespace, label_selector=running, timeout_seconds=3
        )
        assert "DELETED" not in [event["type"] for event in events]
    finally:
        core.delete_node(lost)
