"""The chart on a real API server: what it makes is accepted, its rights suffice, and it leaves jobs alone."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import w2s_cluster
import yaml
from kubernetes import client, config

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "w2s-operator"
HELM = Path(sys.executable).parent / "helm"
CRD = "weaktostrongjobs.w2s.dev"
STAGES = ("prepare", "label-small", "select", "train", "combine", "evaluate", "promote")
EVERYTHING = ["networkPolicy.enabled=true", "podDisruptionBudget.enabled=true", "clusterWide=true"]

Object = dict[str, Any]


def words(**more: Any) -> dict[str, str]:
    """What a fake pod ends with."""
    return {"test.w2s.dev/message": json.dumps({"outcome": "Done", "artifact": "a" * 64, **more})}


JOB: Object = {
    "apiVersion": "w2s.dev/v1alpha1",
    "kind": "WeakToStrongJob",
    "metadata": {"name": "indemnity", "labels": {"team": "legal"}, "annotations": {"note": "of the user"}},
    "spec": {
        "task": {"classes": [{"name": "other"}, {"name": "indemnity"}], "positiveClass": "indemnity"},
        "data": {"unlabeled": {"uri": "s3://legal/pool.jsonl"}, "gold": {"uri": "s3://legal/gold.jsonl"}},
        "storage": {"uri": "s3://legal/w2s"},
        "weak": {
            "labelers": [
                {"name": "small", "type": "Classifier", "classifier": {"model": {"uri": "hf://legal/small"}}}
            ]
        },
        "strong": {"model": {"uri": "hf://org/strong"}},
        "pods": {
            "default": {"annotations": words()},
            "prepare": {"annotations": words(artifacts=dict.fromkeys(STAGES, "a" * 64))},
            "evaluate": {"annotations": {**words(), "test.w2s.dev/hold": "true"}},
        },
    },
}


@pytest.fixture(scope="module")
def api(kwok_cluster: Path) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(kwok_cluster)) as made:
        yield made


@pytest.fixture
def namespace(api: client.ApiClient) -> Iterator[str]:
    """One that enforces Pod Security "restricted"."""
    core = client.CoreV1Api(api)
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    made = core.create_namespace({"metadata": {"generateName": "chart-", "labels": level}})
    yield made.metadata.name
    core.delete_namespace(made.metadata.name)


@pytest.fixture
def helm(kwok_cluster: Path, namespace: str, api: client.ApiClient) -> Iterator[Callable[..., str]]:
    """Helm in that namespace; the release is removed afterwards, and the CRD unless it was there before."""
    extensions = client.ApiextensionsV1Api(api)

    def crd_is_there() -> bool:
        return CRD in [one.metadata.name for one in extensions.list_custom_resource_definition().items]

    was_there = crd_is_there()

    def run(verb: str, *more: str) -> str:
        adopt = ["--take-ownership"] if verb == "install" and was_there else []
        command = [HELM, "--kubeconfig", kwok_cluster, "--namespace", namespace, verb, *more, *adopt]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    run("uninstall", "w2s", "--ignore-not-found")
    if not was_there and crd_is_there():
        extensions.delete_custom_resource_definition(CRD)
        until(lambda: not crd_is_there())


def until(holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What a condition gives once it holds."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)
    return found


@contextmanager
def operator(kubeconfig: Path, namespace: str, account: str, folder: Path) -> Iterator[None]:
    """The operator as a process that has the rights of the chart's service account, and no others."""
    token = w2s_cluster.kubectl("-n", namespace, "create", "token", account, mode="kwok").strip()
    own = yaml.safe_load(kubeconfig.read_text())
    own["users"] = [{"name": user["name"], "user": {"token": token}} for user in own["users"]]
    (folder / "kubeconfig").write_text(yaml.safe_dump(own))
    given = {
        name: value for name, value in os.environ.items() if not name.startswith(("W2S_", "KUBERNETES_"))
    }
    given |= {"KUBECONFIG": str(folder / "kubeconfig"), "W2S_NAMESPACES": namespace, "W2S_PORT": "0"}
    with (folder / "log").open("w") as log:
        command = [sys.executable, "-m", "w2s_operator"]
        running = subprocess.Popen(
            command,
            env=given | {"W2S_TRAINER_IMAGE": "trainer:1", "W2S_HOST": "127.0.0.1"},
            stderr=log,
            stdout=log,
        )
        try:
            yield
            assert running.poll() is None, (folder / "log").read_text()
        finally:
            running.terminate()
            running.wait(30)


def test_the_api_server_takes_every_object_without_a_warning(helm, namespace):
    command = ["template", "w2s", str(CHART), "--kube-version", "1.33.0", "--set", ",".join(EVERYTHING)]
    rendered = helm(*command)
    dry = ["--dry-run=server", "--validate=strict", "--warnings-as-errors"]
    said = w2s_cluster.kubectl("-n", namespace, "apply", *dry, "-f", "-", mode="kwok", stdin=rendered)
    assert said.count("(server dry run)") == sum(1 for one in yaml.safe_load_all(rendered) if one)


def test_the_overlay_of_the_docs_moves_the_operator_as_a_whole(kwok_cluster, tmp_path):
    docs = (ROOT / "docs" / "install.md").read_text()
    overlay = docs.partition("## Kustomize")[2].partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "base").symlink_to(ROOT / "deploy")
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay" / "kustomization.yaml").write_text(overlay.replace("../path/to/deploy", "../base"))
    made = list(yaml.safe_load_all(w2s_cluster.kubectl("kustomize", str(tmp_path / "overlay"), mode="kwok")))
    by_kind = {one["kind"]: one for one in made}
    assert {one["metadata"].get("namespace", "legal") for one in made} == {"legal"}
    assert by_kind["RoleBinding"]["subjects"][0]["namespace"] == "legal"
    (container,) = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.org/w2s-operator:0.1.0"
    env = {one["name"]: one.get("value") for one in container["env"]}
    assert env["W2S_TRAINER_IMAGE"] == "registry.example.org/w2s-trainer:0.1.0"
    assert env.keys() >= {"W2S_NAMESPACES", "W2S_PORT"}


def test_plain_manifests_are_removed_as_the_docs_say_and_the_crd_stays(kwok_cluster):
    section = (ROOT / "docs" / "install.md").read_text().partition("**With plain manifests**")[2]
    commands = section.partition("```console\n$ kubectl ")[2].partition("\n```")[0].split("\n$ kubectl ")
    plain = str(ROOT / "deploy" / "w2s-operator.yaml")

    def kubectl(*words: str) -> str:
        return w2s_cluster.kubectl(*words, mode="kwok")

    def there() -> list[str]:
        return kubectl("get", "-f", plain, "--output=name", "--ignore-not-found").split()

    before = there()
    kubectl("create", "namespace", "w2s")
    try:
        kubectl("apply", "--server-side", "--force-conflicts", "-f", plain)
        assert len(there()) == 8
        for command in commands:
            kubectl(*command.split())
        assert there() == [f"customresourcedefinition.apiextensions.k8s.io/{CRD}"]
    finally:
        kubectl("delete", "namespace", "w2s", "--wait=false")
        if not before:
            kubectl("delete", "crd", CRD)


def test_a_job_runs_with_the_rights_of_the_chart_through_an_upgrade_and_survives_an_uninstall(
    helm, namespace, api, kwok_cluster, tmp_path
):
    custom, batch, core = client.CustomObjectsApi(api), client.BatchV1Api(api), client.CoreV1Api(api)
    place = {"group": "w2s.dev", "version": "v1alpha1", "namespace": namespace, "plural": "weaktostrongjobs"}

    def job() -> Object:
        return custom.get_namespaced_custom_object(name="indemnity", **place)

    def condition(type_: str) -> Object:
        return next(one for one in job()["status"]["conditions"] if one["type"] == type_)

    helm("install", "w2s", str(CHART), "--set", "trainer.runAsUser=null")
    pod = until(lambda: core.list_namespaced_pod(namespace).items)[0]
    assert pod.spec.containers[0].command == ["python", "-m", "w2s_operator"]
    with operator(kwok_cluster, namespace, "w2s-w2s-operator", tmp_path):
        applied = custom.create_namespaced_custom_object(body=JOB, **place)
        held = until(
            lambda: (
                core.list_namespaced_pod(
                    namespace, label_selector="w2s.dev/stage=evaluate", field_selector="status.phase=Running"
                ).items
            )
        )[0]
        children = {one.metadata.name: one.metadata.uid for one in batch.list_namespaced_job(namespace).items}

        changes = ["--set", "workers=4,image.tag=next,trainer.image.tag=next"]
        helm("upgrade", "w2s", str(CHART), "--reset-then-reuse-values", *changes)

        deployed = client.AppsV1Api(api).read_namespaced_deployment("w2s-w2s-operator", namespace)
        env = {one.name: one.value for one in deployed.spec.template.spec.containers[0].env}
        assert env["W2S_WORKERS"] == "4"
        assert not env["W2S_USER"]  # null outlives the upgrade
        after = {one.metadata.name: one.metadata.uid for one in batch.list_namespaced_job(namespace).items}
        assert after == children
        assert core.read_namespaced_pod(held.metadata.name, namespace).metadata.uid == held.metadata.uid
        release = {"metadata": {"annotations": {"test.w2s.dev/hold": None}}}
        core.patch_namespaced_pod(held.metadata.name, namespace, release)
        until(lambda: condition("Complete")["status"] == "True")
        until(lambda: not batch.list_namespaced_job(namespace).items)

    # Of what was applied nothing was touched but the status, by nobody.
    assert job()["spec"] == applied["spec"]
    for name in ("labels", "annotations", "generation", "finalizers"):
        assert job()["metadata"].get(name) == applied["metadata"].get(name)
    writers = {(one["manager"], one.get("subresource")) for one in job()["metadata"]["managedFields"]}
    assert {
        sub for manager, sub in writers if manager != applied["metadata"]["managedFields"][0]["manager"]
    } <= {"status"}
    assert len(list(job()["metadata"]["managedFields"])) == 2

    # Whatever it asked for it was given.
    log = (tmp_path / "log").read_text()
    assert "orbidden" not in log, log
    account = f"system:serviceaccount:{namespace}:w2s-w2s-operator"
    audit = w2s_cluster.Settings.of("kwok").audit_log
    asked = [one for line in audit.read_text().splitlines() if account in line and (one := json.loads(line))]
    assert asked
    assert [one["requestURI"] for one in asked if one.get("responseStatus", {}).get("code") == 403] == []

    helm("uninstall", "w2s")
    assert condition("Complete")["status"] == "True"
    until(
        lambda: (
            not core.list_namespaced_pod(
                namespace, label_selector="app.kubernetes.io/name=w2s-operator"
            ).items
        )
    )
    helm("install", "w2s", str(CHART))
    assert job()["metadata"]["uid"] == applied["metadata"]["uid"]
