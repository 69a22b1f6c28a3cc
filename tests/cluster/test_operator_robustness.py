"""What the operator rests on is not there, goes, and comes back: rights, namespaces, the CRD, credentials. The API
server is real, pods are fake."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import w2s_cluster
from contract_kit import (
    SPEC,
    Api,
    Job,
    Object,
    Operator,
    changed,
    install_crd,
    namespace_of,
    pods,
    until,
    words,
)
from kubernetes import client
from w2s_cluster.errors import ClusterFault

from w2s_api.names import GROUP, PLURAL

DONE = pods(message=words())
HELD = pods(hold="true", stop_exit_code="75", message=words())
CRD = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{PLURAL}.{GROUP}"
RULES: list[Object] = [
    {"apiGroups": [GROUP], "resources": [PLURAL], "verbs": ["list", "watch", "delete"]},
    {"apiGroups": [GROUP], "resources": [f"{PLURAL}/status"], "verbs": ["patch"]},
    {
        "apiGroups": ["batch"],
        "resources": ["jobs"],
        "verbs": ["get", "list", "watch", "create", "delete", "deletecollection"],
    },
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list", "create"]},
]
"""As in the chart, which a test of its own compares with the requests."""


@pytest.fixture(scope="module")
def api(kwok_cluster: Path) -> Api:
    install_crd()
    return Api(kwok_cluster)


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    with namespace_of(api) as name:
        yield name


@pytest.fixture
def another(api: Api) -> Iterator[str]:
    with namespace_of(api) as name:
        yield name


def a_job(api: Api, namespace: str, name: str, **changes: object) -> Job:
    return Job(api, namespace, name, changed(SPEC, {"pods__default": DONE, **changes}))


class Account:
    """A service account, and a kubeconfig with its token in a file, as a pod has it."""

    def __init__(self, api: Api, folder: Path, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.token = folder / "token"
        self.kubeconfig = folder / "kubeconfig"
        self._accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        self.make()
        admin = json.loads(w2s_cluster.kubectl("config", "view", "--raw", "-o", "json", mode="kwok"))
        admin["users"] = [{"name": user["name"], "user": {"tokenFile": "token"}} for user in admin["users"]]
        self.kubeconfig.write_text(json.dumps(admin))

    def make(self) -> None:
        """It, and a token of it."""
        self.api("POST", self._accounts, {"metadata": {"name": "operator"}})
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        found = self.api("POST", f"{self._accounts}/operator/token", body)
        self.token.write_text(found["status"]["token"])

    def remove(self) -> None:
        """Its tokens are worth nothing after that."""
        self.api("DELETE", f"{self._accounts}/operator")

    def allow(self, namespace: str, rules: list[Object] = RULES) -> None:
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        self.api("POST", f"{path}/roles", {"metadata": {"name": "operator"}, "rules": rules})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"}
        who = {"kind": "ServiceAccount", "name": "operator", "namespace": self.namespace}
        self.api(
            "POST",
            f"{path}/rolebindings",
            {"metadata": {"name": "operator"}, "roleRef": role, "subjects": [who]},
        )

    def forbid(self, namespace: str) -> None:
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        self.api("DELETE", f"{path}/rolebindings/operator")
        self.api("DELETE", f"{path}/roles/operator")


@pytest.fixture
def account(api: Api, namespace: str, tmp_path: Path) -> Account:
    return Account(api, tmp_path, namespace)


@pytest.fixture
def ending() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def lines(operator: Operator, level: str = "warning") -> list[str]:
    """Messages of its log."""
    found = [json.loads(one) for one in operator.log.read_text().splitlines() if one.startswith("{")]
    return [str(one["message"]) for one in found if one["level"] == level]


def assert_calm(operator: Operator, seconds: float = 3.0, most: int = 15) -> None:
    """It asks now and then, not all the time."""
    began, before = time.monotonic(), operator.requests("GET", "PATCH", "POST", "DELETE")
    until("some time", lambda: time.monotonic() - began > seconds)
    assert operator.requests("GET", "PATCH", "POST", "DELETE") - before <= most
    assert operator.get("healthz") == (200, "ok")


def failing(operator: Operator, namespace: str) -> float:
    """The metric."""
    found = f'w2s_watches_failing{{namespace="{namespace}"}}'
    text = operator.get("metrics")[1].splitlines()
    return next(float(line.split()[1]) for line in text if line.startswith(found))


def test_a_namespace_without_rights_stops_no_other_and_is_taken_up_with_them(
    api: Api, namespace: str, another: str, account: Account, tmp_path: Path, ending: ExitStack
):
    """Also what a namespace is that is not there: its Role is not, and nobody may list in it."""
    operator = Operator(account.kubeconfig, tmp_path, f"{namespace},{another}")
    account.allow(namespace)
    ending.callback(operator.stop)
    operator.start()

    def ready_but_for_the_other() -> bool:
        code, troubles = operator.get("readyz")
        return code == 200 and f"jobs of {another}" in troubles and f"jobs of {namespace}" not in troubles

    until("one of two namespaces to be in trouble", ready_but_for_the_other)
    until("all that is refused", lambda: failing(operator, another) == 4)
    assert failing(operator, namespace) == 0
    a_job(api, namespace, "first").apply().until_complete()
    waiting = a_job(api, another, "second").apply()
    assert_calm(operator)
    hints = [line for line in lines(operator) if f"Is there a namespace {another}" in line]
    assert len(hints) == 1
    account.allow(another)
    waiting.until_complete(seconds=90)
    until("no trouble", lambda: operator.get("readyz") == (200, "ok"), 60)
    assert failing(operator, another) == 0


def test_rights_that_are_taken_away_for_a_while_are_missed_and_no_more(
    api: Api, namespace: str, another: str, account: Account, tmp_path: Path, ending: ExitStack
):
    operator = Operator(account.kubeconfig, tmp_path, f"{namespace},{another}")
    for one in (namespace, another):
        account.allow(one)
    ending.callback(operator.stop)
    operator.start()
    job = a_job(api, another, "held", pods__prepare=HELD).apply()
    pod = job.running_pod("prepare")
    account.forbid(another)
    other = a_job(api, namespace, "first").apply()
    other.until_complete()
    job.tell(pod, hold=None)
    assert_calm(operator)
    account.allow(another)
    job.until_complete(seconds=90)
    assert {stage["run"] for stage in job.status["stages"]} == {1}


def test_a_namespace_that_comes_after_the_operator_and_one_that_is_made_again(
    api: Api, namespace: str, kwok_cluster: Path, tmp_path: Path, ending: ExitStack
):
    """With rights in the whole cluster: a list of what is not there is empty."""
    late = f"{namespace}-late"
    operator = Operator(kwok_cluster, tmp_path, f"{namespace},{late}")
    ending.callback(operator.stop)
    operator.start()
    until("no trouble", lambda: operator.get("readyz") == (200, "ok"), 60)
    for _ in range(2):
        api.core.create_namespace({"metadata": {"name": late}})
        a_job(api, late, "one").apply().until_complete()
        a_job(api, late, "held", pods__prepare=HELD).apply().running_pod("prepare")
        api.core.delete_namespace(late)
        operator.kill()
        operator.start()  # while it is terminating
        until("the namespace to be gone", lambda: gone(api, f"/api/v1/namespaces/{late}"), 60)
        assert_calm(operator)


def gone(api: Api, path: str) -> bool:
    try:
        api("GET", path)
    except client.ApiException as error:
        return error.status == 404
    return False


def remove_crd(api: Api) -> None:
    with suppress(client.ApiException):
        api("DELETE", CRD)
    until("the CRD to be gone", lambda: gone(api, CRD))


def restore_crd(api: Api) -> None:
    with suppress(ClusterFault):  # `kubectl wait` does not understand a CRD that has no conditions yet
        install_crd()

    def established() -> bool:
        conditions = api("GET", CRD).get("status", {}).get("conditions") or ()
        return any((one["type"], one["status"]) == ("Established", "True") for one in conditions)

    until("the CRD to be established", established)


@pytest.fixture
def crd(api: Api) -> Iterator[Callable[[], None]]:
    """Takes the CRD away; it is back after the test."""
    yield lambda: remove_crd(api)
    restore_crd(api)


def test_the_crd_goes_and_comes_back(
    api: Api, namespace: str, kwok_cluster: Path, tmp_path: Path, ending: ExitStack, crd: Callable[[], None]
):
    operator = Operator(kwok_cluster, tmp_path, namespace)
    ending.callback(operator.stop)
    operator.start()
    held = a_job(api, namespace, "held", pods__prepare=HELD).apply()
    held.running_pod("prepare")
    crd()
    until("it to be told", lambda: operator.get("readyz")[0] == 503)
    assert_calm(operator)
    until("what was owned to be gone", lambda: held.pods() == [], 60)
    restore_crd(api)
    again = a_job(api, namespace, "held").apply()
    again.until_complete(seconds=90)
    until("no trouble", lambda: operator.get("readyz") == (200, "ok"), 60)
    assert lines(operator, "error") == lines(operator, "critical") == []


def test_before_the_crd_it_waits_and_says_what_to_install(
    api: Api, namespace: str, kwok_cluster: Path, tmp_path: Path, ending: ExitStack, crd: Callable[[], None]
):
    crd()
    operator = Operator(kwok_cluster, tmp_path, namespace)
    ending.callback(operator.stop)
    operator.start(wait=False)
    until("a hint", lambda: operator.log.exists() and "is not installed" in operator.log.read_text())
    assert operator.get("readyz")[0] == 503
    assert_calm(operator)
    restore_crd(api)
    job = a_job(api, namespace, "one").apply()
    until("it to be ready", operator.ready, 60)
    job.until_complete()
    hints = [line for line in lines(operator) if "is not installed" in line]
    assert len(hints) == 1
    assert f"crds/{PLURAL}.{GROUP}.yaml" in hints[0]


def test_a_token_that_is_worth_nothing_any_more_is_read_anew(
    api: Api, namespace: str, account: Account, tmp_path: Path, ending: ExitStack
):
    """The account is made again: old tokens are refused from one moment to the next."""
    operator = Operator(account.kubeconfig, tmp_path, namespace)
    account.allow(namespace)
    ending.callback(operator.stop)
    operator.start()
    a_job(api, namespace, "first").apply().until_complete()
    account.remove()
    account.make()
    a_job(api, namespace, "second").apply().until_complete(seconds=90)
    assert operator.get("healthz") == (200, "ok")
    assert lines(operator, "critical") == []


def test_told_to_stop_it_does_at_once(namespace: str, kwok_cluster: Path, tmp_path: Path):
    """What it is waited for is time without an operator, since one is stopped before the next is started."""
    operator = Operator(kwok_cluster, tmp_path, namespace).start()
    began = time.monotonic()
    operator.stop()
    assert time.monotonic() - began < 3 * w2s_cluster.PATIENCE


# Why a pod does not start, where only its Events say


@pytest.fixture
def silent_node(api: Api) -> Iterator[str]:
    """A node without a kubelet: the test is it."""
    name = f"silent-{time.time_ns()}"
    api("POST", "/api/v1/nodes", {"metadata": {"name": name}})
    yield name
    api("DELETE", f"/api/v1/nodes/{name}")


def post_event(api: Api, pod: Object, type_: str, reason: str, message: str, **more: Any) -> None:
    """As a kubelet does."""
    meta = pod["metadata"]
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    whose = {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}
    body = {
        "metadata": {"generateName": f"{meta['name']}."},
        "involvedObject": {"apiVersion": "v1", **whose},
        "type": type_,
        "reason": reason,
        "message": message,
        "firstTimestamp": now,
        "lastTimestamp": now,
        **more,
    }
    api("POST", f"/api/v1/namespaces/{meta['namespace']}/events", body)


def test_a_volume_that_is_not_there_is_told_within_ten_seconds_and_gone_when_it_is_there(
    api: Api, namespace: str, account: Account, tmp_path: Path, silent_node: str, ending: ExitStack
):
    operator = Operator(account.kubeconfig, tmp_path, namespace)
    account.allow(namespace)
    ending.callback(operator.stop)
    operator.start()
    nowhere = {"nodeSelector": {"gpu": "none"}}
    job = a_job(api, namespace, "keys", pods__prepare=DONE | nowhere).apply()
    job.until("the scheduler to have had its say", lambda _: job.condition()["reason"] == "Unschedulable")
    (pod,) = job.pods("prepare")
    target = {"apiVersion": "v1", "kind": "Node", "name": silent_node}
    binding = {"metadata": {"name": pod["metadata"]["name"]}, "target": target}
    api("POST", job.pod_path(pod) + "/binding", binding)
    container = {"name": "stage", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    creating = {"waiting": {"reason": "ContainerCreating"}}
    job.set_pod_status(pod, {"containerStatuses": [{**container, "state": creating}]})
    message = 'MountVolume.SetUp failed for volume "user-keys" : secret "keys" not found'
    post_event(api, pod, "Warning", "FailedMount", message)

    job.until("FailedMount", lambda _: job.condition()["reason"] == "FailedMount", 10)
    assert message in job.condition()["message"]
    assert job.stage("prepare")["state"] == "Starting"
    assert_calm(operator)

    told = time.monotonic()
    until("another second, for Events know whole ones", lambda: time.monotonic() - told > 1)
    post_event(api, pod, "Normal", "Pulling", "Pulling image")
    job.until("a pull", lambda _: "reason" not in job.stage("prepare"), 25)
    assert "secret" not in job.condition()["message"]
    post_event(api, pod, "Warning", "FailedMount", message)  # one that comes late
    runs = {"running": {"startedAt": pod["metadata"]["creationTimestamp"]}}
    job.set_pod_status(pod, {"containerStatuses": [{**container, "state": runs}]})
    job.until("Running", lambda _: job.condition()["reason"] == "Running", 15)
    assert "secret" not in job.condition()["message"]
