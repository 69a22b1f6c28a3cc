"""The rights in the chart are those that the operator uses, no more and no less: the operator, kopf included, is
run against an API server that writes down each request."""

import asyncio
import copy
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_server import ApiServer, Object, Right
from helm_kit import only, render
from job_kit import SPEC

from w2s_api.names import GROUP, PLURAL
from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec

NAMESPACE = "legal"
START, END = "2026-11-21T00:00:01Z", "2026-11-21T00:00:02Z"


def rights_of(role: dict[str, Any]) -> set[Right]:
    assert all(set(rule) == {"apiGroups", "resources", "verbs"} for rule in role["rules"])
    return {
        Right(group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


class Controllers:
    """Makes the pod of each Job, and ends it well if it is to."""

    def __init__(self, server: ApiServer) -> None:
        self.start_pods = True
        self.end_pods = False
        self._server = server
        server.changed = self._changed

    def _changed(self, resource: str, one: Object) -> None:
        if resource != "jobs" or "status" in one:
            return
        one["status"] = {}
        meta = one["metadata"]
        pod = {
            "metadata": {
                **copy.deepcopy(one["spec"]["template"]["metadata"]),
                "name": meta["name"] + "-0",
                "namespace": meta["namespace"],
                "ownerReferences": [{"kind": "Job", "name": meta["name"], "uid": meta["uid"]}],
            },
            "spec": {"nodeName": "node-1", "containers": [{"name": "stage"}]},
            "status": _status("Running", running={"startedAt": START})
            if self.start_pods
            else _status("Pending", waiting={"reason": "ContainerCreating"}),
        }
        self._server.put("", "pods", pod)
        if self.end_pods:
            self._end(one, pod)

    def _end(self, job: Object, pod: Object) -> None:
        """It says that every stage's artifact is in the store already."""
        stages = [stage.name for stage in pipeline(Spec.model_validate(SPEC))]
        words = {"outcome": "Done", "artifact": "a" * 64, "artifacts": dict.fromkeys(stages, "a" * 64)}
        ended = {"exitCode": 0, "startedAt": START, "finishedAt": END, "message": json.dumps(words)}
        status = _status("Succeeded", terminated=ended)
        self._server.put("", "pods", {**pod, "metadata": dict(pod["metadata"]), "status": status})
        done = {"type": "Complete", "status": "True", "lastTransitionTime": END}
        ended_job = {**job, "metadata": dict(job["metadata"]), "status": {"conditions": [done]}}
        self._server.put("batch", "jobs", ended_job)


def _status(phase: str, **state: Object) -> Object:
    return {"phase": phase, "containerStatuses": [{"name": "stage", "state": state}]}


@asynccontextmanager
async def operator(kubeconfig: Path, namespaces: str) -> AsyncIterator[None]:
    """The operator, as its image starts it."""
    given = {
        name: value for name, value in os.environ.items() if not name.startswith(("W2S_", "KUBERNETES_"))
    }
    given |= {"KUBECONFIG": str(kubeconfig), "W2S_TRAINER_IMAGE": "trainer:1", "W2S_NAMESPACES": namespaces}
    given |= {"W2S_HOST": "127.0.0.1", "W2S_PORT": "0"}
    given |= {"W2S_USER": "1000660000", "W2S_IMAGE_PULL_SECRETS": "one,two"}
    running = await asyncio.create_subprocess_exec(sys.executable, "-m", "w2s_operator", env=given)
    try:
        yield
    finally:
        running.terminate()
        async with asyncio.timeout(30):
            await running.wait()


async def a_life_of_jobs(server: ApiServer, controllers: Controllers) -> None:
    """Everything that can become of a job: done, suspended while it runs, not started, gone after its time."""
    plain = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "WeakToStrongJob"}

    def apply(name: str, generation: int = 1, **more: Any) -> Object:
        meta = {"name": name, "namespace": NAMESPACE, "uid": name, "generation": generation}
        spec = {**copy.deepcopy(SPEC), **more}
        old = server.objects.get((GROUP, PLURAL, NAMESPACE, name), {})
        status = {"status": old["status"]} if "status" in old else {}
        return server.put(GROUP, PLURAL, {**plain, "metadata": meta, "spec": spec, **status})

    def did(resource: str, verb: str) -> bool:
        return any((one.right.resource, one.right.verb) == (resource, verb) for one in server.asked)

    server.lose_answers = 1
    apply("held")
    await server.until(lambda: did("pods/log", "get"), "progress is read from the log of a running pod")
    apply("held", generation=2, suspend=True)
    await server.until(lambda: did("jobs", "delete"), "a suspended job's Job is deleted")
    controllers.start_pods = False
    apply("stuck")
    await server.until(lambda: did("events", "list"), "a pod does not start, and its status does not say why")
    controllers.start_pods = controllers.end_pods = True
    apply("done")
    await server.until(lambda: did("jobs", "deletecollection"), "the Jobs of a finished job are deleted")
    apply("brief", ttlSecondsAfterFinished=0)
    await server.until(lambda: did(PLURAL, "delete"), "a finished job deletes itself")


@pytest.fixture(scope="module", params=["namespaced", "cluster-wide"])
def lived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ApiServer]:
    """The mode, and what was asked in it."""
    namespaces = NAMESPACE if request.param == "namespaced" else ""
    kubeconfig = tmp_path_factory.mktemp(request.param) / "kubeconfig"

    async def live() -> ApiServer:
        server = ApiServer()
        async with server.serve() as url:
            kubeconfig.write_text(yaml.safe_dump(_kubeconfig(url)))
            async with operator(kubeconfig, namespaces):
                await a_life_of_jobs(server, Controllers(server))
        return server

    return request.param, asyncio.run(live())


def _kubeconfig(url: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        "clusters": [{"name": "fake", "cluster": {"server": url}}],
        "users": [{"name": "fake", "user": {"token": "none"}}],
    }


def test_the_role_has_every_right_that_the_operator_uses(lived):
    _, server = lived
    assert server.rights() - rights_of(only(render(), "Role")) == set()


def test_the_role_has_no_right_that_the_operator_does_not_use(lived):
    _, server = lived
    assert rights_of(only(render(), "Role")) - server.rights() == set()


def test_a_namespaced_operator_asks_for_nothing_outside_of_its_namespaces(lived):
    mode, server = lived
    outside = {one.right for one in server.asked if one.namespace != NAMESPACE}
    assert {one.verb for one in outside} == (set() if mode == "namespaced" else {"list", "watch"})


def test_of_what_the_user_applied_only_the_status_is_written(lived):
    _, server = lived
    written = [
        one for one in server.asked if one.right.resource.startswith(PLURAL) and one.right.verb == "patch"
    ]
    assert written
    for one in written:
        assert one.right.resource == f"{PLURAL}/status"
        assert set(one.body) == {"metadata", "status"}
        assert set(one.body["metadata"]) == {"resourceVersion", "uid"}


def test_what_the_operator_is_told_of_stage_pods_is_in_every_job_that_it_creates(lived):
    _, server = lived
    made = [one.body for one in server.asked if one.right == Right("batch", "jobs", "create")]
    assert made
    for one in made:
        pod = one["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 1000660000
        assert pod["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
        assert pod["containers"][0]["image"] == "trainer:1"


def test_nobody_is_given_secrets():
    for role in (one for one in render({"clusterWide": True}) if one["kind"].endswith("Role")):
        assert not {
            right for right in rights_of(role) if "secrets" in right.resource or "*" in right.resource
        }
