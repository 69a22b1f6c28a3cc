"""The cluster itself: real pods in a namespace that enforces "restricted", and a store that they reach."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import w2s_cluster
from kubernetes import client, config, watch
from w2s_cluster import images

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
USER = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}


@pytest.fixture(scope="module")
def api(cluster: Path) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(cluster)) as made:
        yield made


@pytest.fixture(scope="module")
def namespace(api: client.ApiClient) -> Iterator[str]:
    core = client.CoreV1Api(api)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    made = core.create_namespace({"metadata": {"generateName": "smoke-", "labels": labels}})
    yield made.metadata.name
    core.delete_namespace(made.metadata.name)


@pytest.fixture(scope="module")
def image(cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A trivial Containerfile on the base image, built as a release would build it."""
    context = tmp_path_factory.mktemp("context")
    (context / "Containerfile").write_text(
        "ARG BASE\nFROM ${BASE}\nCOPY answer /answer\nRUN python --version\n"
    )
    (context / "answer").write_text("42")
    reference = images.build(context / "Containerfile", context, "w2s-smoke:1", {"BASE": images.base()})
    return images.publish(reference)


@pytest.fixture
def server(cluster: Path) -> Iterator[str]:
    """A server of the test's own, where the S3 server of a real test would be."""

    class Hello(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello from the test")

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer((w2s_cluster.store_host(), 0), Hello) as listening:
        threading.Thread(target=listening.serve_forever).start()
        yield f"http://{w2s_cluster.store_host()}:{listening.server_port}"
        listening.shutdown()


def job(name: str, image: str, program: str, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": image,
        "command": ["python", "-c", program],
        "securityContext": RESTRICTED,
    }
    pod = {"containers": [container], "restartPolicy": "Never", "securityContext": USER}
    return {"metadata": {"name": name}, "spec": {"backoffLimit": 0, **spec, "template": {"spec": pod}}}


def ended(api: client.ApiClient, namespace: str, name: str) -> str:
    """The Job's terminal condition, `Complete` or `Failed`."""
    jobs = watch.Watch().stream(
        client.BatchV1Api(api).list_namespaced_job,
        namespace,
        field_selector=f"metadata.name={name}",
        timeout_seconds=90,
    )
    for event in jobs:
        for condition in event["object"].status.conditions or []:
            if condition.type in ("Complete", "Failed") and condition.status == "True":
                return str(condition.type)
    raise AssertionError(f"Job {name} did not end in 90 s")


def last_words(api: client.ApiClient, namespace: str, name: str) -> list[str]:
    pods = client.CoreV1Api(api).list_namespaced_pod(namespace, label_selector=f"job-name={name}").items
    return sorted(pod.status.container_statuses[0].state.terminated.message for pod in pods)


def test_an_indexed_job_completes_under_restricted_and_tells_its_last_words(api, namespace, image):
    program = """import os
index, answer = os.environ["JOB_COMPLETION_INDEX"], open("/answer").read()
open("/dev/termination-log", "w").write(f"{index}: {answer}, user {os.getuid()}")"""
    indexed = job("indexed", image, program, completions=3, parallelism=3, completionMode="Indexed")
    client.BatchV1Api(api).create_namespaced_job(namespace, indexed)

    assert ended(api, namespace, "indexed") == "Complete"
    assert last_words(api, namespace, "indexed") == [f"{index}: 42, user 1000" for index in range(3)]


def test_a_pod_reaches_the_api_and_a_server_of_the_test(api, namespace, image, server):
    program = f"""import os, ssl, urllib.request
said = urllib.request.urlopen("{server}").read().decode()
kubernetes, unchecked = os.environ["KUBERNETES_SERVICE_HOST"], ssl._create_unverified_context()
version = urllib.request.urlopen(f"https://{{kubernetes}}/version", context=unchecked)
open("/dev/termination-log", "w").write(f"{{said}}; API {{version.status}}")"""
    client.BatchV1Api(api).create_namespaced_job(namespace, job("reach", image, program))

    assert ended(api, namespace, "reach") == "Complete"
    assert last_words(api, namespace, "reach") == ["hello from the test; API 200"]


@pytest.mark.skipif("KUBECONFIG" in os.environ, reason="a cluster of the user's own may reach what it likes")
def test_nothing_leaves_the_machine(api, namespace, image):
    program = """import socket
try:
    socket.create_connection(("192.0.2.1", 80), 2)
    outside = "reached"
except OSError as error:
    outside = error.strerror
open("/dev/termination-log", "w").write(outside)"""
    client.BatchV1Api(api).create_namespaced_job(namespace, job("outside", image, program))

    assert ended(api, namespace, "outside") == "Complete"
    assert last_words(api, namespace, "outside") == ["Network is unreachable"]


def test_a_pod_that_is_not_restricted_is_refused(api, namespace, image):
    pod = {"metadata": {"name": "root"}, "spec": {"containers": [{"name": "main", "image": image}]}}
    with pytest.raises(client.ApiException, match="violates PodSecurity") as refused:
        client.CoreV1Api(api).create_namespaced_pod(namespace, pod)
    assert refused.value.status == 403


def test_rights_are_enforced(api, namespace):
    review = client.AuthorizationV1Api(api).create_subject_access_review
    asked = {"namespace": namespace, "verb": "get", "resource": "secrets"}
    answer = review(
        {"spec": {"user": f"system:serviceaccount:{namespace}:default", "resourceAttributes": asked}}
    )
    assert answer.status.allowed is False
