"""The operator as a process before a real API server, and jobs whose fake pods end as a test says."""

import copy
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import w2s_cluster
from kubernetes import client, config
from w2s_cluster import PATIENCE, Settings, binaries, control_plane, process

from w2s_api.names import GROUP, PLURAL, VERSION

REPOSITORY = Path(__file__).resolve().parents[2]
ARTIFACT = "0123456789abcdef0123456789abcdef"
EVERY = ["prepare", "label-small", "aggregate", "select", "train", "combine", "evaluate", "promote"]
TEST = "test.w2s.dev/"

SPEC: dict[str, Any] = {
    "task": {"classes": [{"name": "other"}, {"name": "indemnity"}], "positiveClass": "indemnity"},
    "data": {"unlabeled": {"uri": "s3://legal/pool.jsonl"}, "gold": {"uri": "s3://legal/gold.jsonl"}},
    "storage": {"uri": "s3://legal/w2s"},
    "weak": {
        "labelers": [
            {"name": "small", "type": "Classifier", "classifier": {"model": {"uri": "hf://legal/small"}}}
        ]
    },
    "strong": {"model": {"uri": "hf://org/strong"}},
    "execution": {"retryBackoffSeconds": 1},
}

Value = TypeVar("Value")
Object = dict[str, Any]


_operators: dict["subprocess.Popen[bytes]", Path] = {}
"""Those that should run, with their logs."""


def until(what: str, find: Callable[[], Value], seconds: float = 30.0) -> Value:
    """What is found as soon as it is true; a bound that is passed fails the test.

    Bounds are written for two quiet cores and stretched for slower machines (`w2s_cluster.PATIENCE`).
    """
    seconds *= PATIENCE
    began = time.monotonic()
    while True:
        for one, log in _operators.items():
            assert one.poll() is None, f"an operator has ended:\n{log.read_text()[-4000:]}"
        found = find()
        if found:
            return found
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"waited {seconds:g} s for {what}; at last: {found!r}")
        time.sleep(min(max(waited / 20, 0.05), 0.5))  # each look costs the API server 40 ms of a core


def pods(**told: str) -> Object:
    """Pod settings that tell fake pods what becomes of them, as `exit_code="70"`."""
    return {"annotations": {TEST + name.replace("_", "-"): value for name, value in told.items()}}


def words(**more: Any) -> str:
    """Last words of a stage that is done."""
    return json.dumps({"outcome": "Done", "artifact": ARTIFACT, **more})


def changed(plain: Object, changes: Object) -> Object:
    """A copy with changes by dotted path, as `strong__tuning`; None takes a field away."""
    plain = copy.deepcopy(plain)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = plain
        for name in parents:
            place = place.setdefault(name, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return plain


class Api:
    """The API server, as the administrator."""

    def __init__(self, kubeconfig: Path) -> None:
        self._client = config.new_client_from_config(str(kubeconfig))
        self.core = client.CoreV1Api(self._client)
        self.batch = client.BatchV1Api(self._client)

    def __call__(
        self, verb: str, path: str, body: Any = None, kind: str = "application/json", **query: str
    ) -> Object:
        """A request; ApiException if it is refused."""
        answer = self._client.rest_client.pool_manager.request(
            verb,
            f"{self._client.configuration.host}{path}?{urlencode(query)}",
            body=None if body is None else json.dumps(body),
            headers={"Content-Type": kind, "Accept": "application/json"},
            timeout=20,
        )
        found: Object = json.loads(answer.data)
        if answer.status >= 400:
            raise client.ApiException(answer.status, found.get("message"))
        return found

    def merge(self, path: str, body: Object) -> Object:
        return self("PATCH", path, body, "application/merge-patch+json")

    @contextmanager
    def noting(self, path: str) -> Iterator[list[str]]:
        """The names of all objects that are added to a list inside the block, however short they live."""
        names: list[str] = []
        over = threading.Event()
        version = self("GET", path)["metadata"]["resourceVersion"]

        def note() -> None:
            nonlocal version
            while not over.is_set():
                query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "1"}
                answer = self._client.rest_client.pool_manager.request(
                    "GET", f"{self._client.configuration.host}{path}?{urlencode(query)}", timeout=20
                )
                for event in map(json.loads, answer.data.splitlines()):
                    assert event["type"] != "ERROR", event
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] == "ADDED":
                        names.append(event["object"]["metadata"]["name"])

        noter = threading.Thread(target=note)
        noter.start()
        try:
            yield names
        finally:
            over.set()
            noter.join()

    def new_namespace(self) -> str:
        return str(self.core.create_namespace({"metadata": {"generateName": "contract-"}}).metadata.name)


@dataclass
class Job:
    """A WeakToStrongJob."""

    api: Api
    namespace: str
    name: str
    spec: Object = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"/apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/{PLURAL}/{self.name}"

    @property
    def manifest(self) -> Object:
        meta: Object = {"name": self.name, "namespace": self.namespace, "labels": {"team": "legal"}}
        if self.annotations:
            meta["annotations"] = self.annotations
        return {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "WeakToStrongJob",
            "metadata": meta,
            "spec": self.spec,
        }

    # What a user does

    def apply(self, **changes: Any) -> "Job":
        """Server-side apply of the manifest with changes, without force: as a user or a GitOps tool does."""
        self.spec = changed(self.spec, changes)
        self.api(
            "PATCH", self.path, self.manifest, "application/apply-patch+yaml",
            fieldManager="user", fieldValidation="Strict",
        )  # fmt: skip
        return self

    def annotate(self, **annotations: str | None) -> None:
        given = {f"{GROUP}/{name.replace('_', '-')}": value for name, value in annotations.items()}
        self.api.merge(self.path, {"metadata": {"annotations": given}})

    def delete(self) -> None:
        self.api("DELETE", self.path)

    # What is seen

    def read(self) -> Object:
        return self.api("GET", self.path)

    def gone(self) -> bool:
        try:
            self.read()
        except client.ApiException as error:
            return error.status == 404
        return False

    @property
    def status(self) -> Object:
        return dict(self.read().get("status") or {})

    def condition(self, type_: str = "Complete") -> Object:
        return next((one for one in self.status["conditions"] if one["type"] == type_), {})

    def stage(self, name: str) -> Object:
        return next((one for one in self.status.get("stages") or () if one["name"] == name), {})

    def states(self) -> dict[str, str]:
        return {one["name"]: one["state"] for one in self.status.get("stages") or ()}

    def children(self) -> list[Object]:
        path = f"/apis/batch/v1/namespaces/{self.namespace}/jobs"
        return list(self.api("GET", path, labelSelector=f"{GROUP}/job={self.name}")["items"])

    def child(self, stage: str) -> Object | None:
        """The newest run of a stage."""
        found = [one for one in self.children() if one["metadata"]["labels"][f"{GROUP}/stage"] == stage]
        return max(found, key=lambda one: int(one["metadata"]["labels"][f"{GROUP}/run"]), default=None)

    def pods(self, stage: str = "") -> list[Object]:
        selector = f"{GROUP}/job={self.name}" + (f",{GROUP}/stage={stage}" if stage else "")
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        return list(self.api("GET", path, labelSelector=selector)["items"])

    def running_pod(self, stage: str, *, other_than: str = "", of: str = "") -> Object:
        """The pod of a stage, once it runs; with `of`, the UID of the job that it must belong to."""

        def running() -> Object | None:
            for pod in self.pods(stage):
                meta = pod["metadata"]
                runs = pod["status"].get("phase") == "Running" and "deletionTimestamp" not in meta
                belongs = not of or meta["labels"][f"{GROUP}/job-uid"] == of
                if runs and belongs and meta["name"] != other_than:
                    return pod
            return None

        return until(f"a pod of {stage} of {self.name} to run", running)

    def until(self, what: str, holds: Callable[[Object], bool], seconds: float = 30.0) -> Object:
        """The status, once it is so."""

        def found() -> Object | None:
            status = self.status
            return status if holds(status) else None

        try:
            return until(f"{self.name}: {what}", found, seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{json.dumps(self.status, indent=1)[:6000]}") from None

    def until_complete(self, status: str = "True", seconds: float = 60.0) -> Object:
        """The status, once the job is over as is expected and this generation was seen."""
        generation = self.read()["metadata"]["generation"]

        def over(found: Object) -> bool:
            complete = next((one for one in found.get("conditions") or () if one["type"] == "Complete"), {})
            current = found.get("observedGeneration") == generation
            assert not current or complete["status"] in ("Unknown", status), json.dumps(found, indent=1)
            return current and complete["status"] == status

        return self.until(f"Complete={status}", over, seconds)

    def until_state(self, stage: str, *states: str, seconds: float = 30.0) -> Object:
        """The stage's part of the status, once its state is one of these."""
        self.until(f"{stage} to be {states}", lambda _: self.stage(stage).get("state") in states, seconds)
        return self.stage(stage)

    # What befalls its pods

    def pod_path(self, pod: Object) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}"

    def tell(self, pod: Object, **told: str | None) -> None:
        """Annotations of a running fake pod, as `hold=None`."""
        given = {TEST + name.replace("_", "-"): value for name, value in told.items()}
        self.api.merge(self.pod_path(pod), {"metadata": {"annotations": given}})

    def evict(self, pod: Object) -> None:
        name = pod["metadata"]["name"]
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        self.api("POST", self.pod_path(pod) + "/eviction", body)

    def set_pod_status(self, pod: Object, status: Object) -> None:
        """As a kubelet would."""
        self.api.merge(self.pod_path(pod) + "/status", {"status": status})


class Operator:
    """`python -m w2s_operator` for one namespace."""

    def __init__(self, kubeconfig: Path, folder: Path, namespace: str, **environment: str) -> None:
        self.namespace = namespace
        self.port = _free_port()
        self.log = folder / f"operator-{namespace}-{self.port}.log"
        self._environment = os.environ | {
            "KUBECONFIG": str(kubeconfig),
            "W2S_NAMESPACES": namespace,
            "W2S_TRAINER_IMAGE": "localhost/trainer:1",
            "W2S_HOST": "127.0.0.1",
            "W2S_PORT": str(self.port),
            **environment,
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> "Operator":
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "w2s_operator"],
                env=self._environment,
                cwd=REPOSITORY,
                stdout=log,
                stderr=log,
            )
        _operators[self._process] = self.log
        if wait:
            until("the operator to be ready", self.ready, 60)
        return self

    def kill(self) -> None:
        """-9, as a node that fails or a process that needs too much memory."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process:
            _operators.pop(self._process, None)
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()[-4000:]
        return self.get("readyz")[0] == 200

    def get(self, page: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{page}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def requests(self, *verbs: str) -> float:
        """How many requests of these verbs it has made."""
        total = 0.0
        for line in self.get("metrics")[1].splitlines():
            if line.startswith("w2s_api_requests_total{") and any(f'verb="{verb}"' in line for verb in verbs):
                total += float(line.rpartition(" ")[2])
        return total

    def passes(self) -> float:
        """How often it has looked at a job."""
        lines = self.get("metrics")[1].splitlines()
        return next(
            float(line.split()[1]) for line in lines if line.startswith("w2s_reconcile_seconds_count")
        )


@contextmanager
def running(operator: Operator) -> Iterator[Operator]:
    operator.start()
    try:
        yield operator
    finally:
        operator.stop()


@contextmanager
def namespace_of(api: Api) -> Iterator[str]:
    name = api.new_namespace()
    try:
        yield name
    finally:
        with suppress(client.ApiException):
            api.core.delete_namespace(name)


def install_crd() -> None:
    """The CRD, established."""
    crd = REPOSITORY / "crds" / f"{PLURAL}.{GROUP}.yaml"
    w2s_cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(crd), mode="kwok")

    def found() -> bool:
        return established(w2s_cluster.kubectl("get", f"crd/{PLURAL}.{GROUP}", "-o", "json", mode="kwok"))

    until("the CRD to be established", found)


def established(crd: str) -> bool:
    """Of a CRD as JSON. `kubectl wait` does not understand one that has no conditions yet."""
    conditions = json.loads(crd).get("status", {}).get("conditions") or ()
    return any((one["type"], one["status"]) == ("Established", "True") for one in conditions)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop_api_server() -> None:
    """It is gone; etcd and the rest stay."""
    process.stop(Settings.of("kwok"), "kube-apiserver", patience=1)


def start_api_server() -> None:
    """It is back, with a watch cache that begins now."""
    control_plane.up(Settings.of("kwok"), binaries.folder())


def compact_etcd() -> None:
    """Forgets all revisions but the newest, through etcd's gateway."""

    def ask(page: str, body: Object) -> Object:
        request = urllib.request.Request(
            f"http://127.0.0.1:2379/v3/{page}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: Object = json.load(answer)
            return found

    newest = ask("maintenance/status", {})["header"]["revision"]
    ask("kv/compaction", {"revision": newest, "physical": True})
