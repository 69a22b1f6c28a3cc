"""An upgrade of CRD and operator: what was done is not done again, and what runs goes on.

The newer release is this one with a copy of `w2s_api` that has another field, or another default.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import w2s_cluster
import yaml
from contract_kit import (
    ARTIFACT,
    EVERY,
    REPOSITORY,
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

from w2s_api.names import GROUP, PLURAL

CHART = REPOSITORY / "charts" / "w2s-operator"
HELM = Path(sys.executable).parent / "helm"
CRD = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{PLURAL}.{GROUP}"

Edits = list[tuple[str, str, str]]
"""(file below w2s_api, a piece of it, what it is in the newer release)."""


def before(field: str, new: str) -> tuple[str, str]:
    """An edit that puts a field before another."""
    return f"    {field}: ", f'    {new}, description="New.")\n    {field}: '


NEW_FIELDS: Edits = [
    ("spec/data.py", *before("unlabeled", "new_in_data: bool = Field(default=True")),
    ("methods/tunings/head.py", *before("l2", 'new_in_head: NonNegative = Field(default="1"')),
    ("spec/evaluation.py", *before("seeds", "new_in_evaluation: bool = Field(default=True")),
    ("spec/storage.py", *before("endpoint", "new_in_storage: bool = Field(default=True")),
]
"""In what stages and pods depend on, each with a default that means what was done before."""

NEW_DEFAULTS: Edits = [
    ("spec/strong.py", "default=8192,", "default=4096,"),
    ("spec/pods.py", "= Field(\n        default=2,", "= Field(\n        default=5,"),
]
"""Of fields that no key depends on: `strong.batchTokens`, `execution.maxRetries`. The default of a field that a key
depends on never changes: tests/unit/api/test_api_defaults.py."""

DONE = pods(message=words())
HELD = pods(hold="true", stop_exit_code="75", message=words())
KNOWN = pods(message=words(artifacts=dict.fromkeys(EVERY[:5], ARTIFACT)))


@pytest.fixture(scope="module")
def api(kwok_cluster: Path) -> Iterator[Api]:
    yield Api(kwok_cluster)
    install_crd()


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    install_crd()
    with namespace_of(api) as name:
        yield name


@pytest.fixture
def old(kwok_cluster: Path, namespace: str, tmp_path: Path) -> Operator:
    return Operator(kwok_cluster, tmp_path, namespace)


@pytest.fixture
def job(api: Api, namespace: str) -> Job:
    return Job(api, namespace, "indemnity", changed(SPEC, {"pods__default": DONE}))


@dataclass
class Release:
    """A newer one."""

    folder: Path
    kubeconfig: Path

    def __post_init__(self) -> None:
        copy = self.folder / "newer" / "w2s_api"
        shutil.copytree(REPOSITORY / "crds" / "w2s_api", copy, ignore=shutil.ignore_patterns("__pycache__"))
        for name, piece, newer in [*NEW_FIELDS, *NEW_DEFAULTS]:
            text = (copy / name).read_text()
            assert text.count(piece) == 1, f"{name} has {piece!r} {text.count(piece)} times"
            (copy / name).write_text(text.replace(piece, newer))

    def install_crd(self) -> None:
        command = [sys.executable, "-m", "w2s_cli.main", "crd"]
        crd = subprocess.run(command, env=os.environ | self._path, capture_output=True, text=True, check=True)
        w2s_cluster.kubectl(
            "apply", "--server-side", "--force-conflicts", "-f", "-", mode="kwok", stdin=crd.stdout
        )

    def operator(self, namespace: str) -> Operator:
        return Operator(self.kubeconfig, self.folder, namespace, **self._path)

    @property
    def _path(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self.folder / "newer")}


@pytest.fixture
def newer(kwok_cluster: Path, tmp_path: Path) -> Release:
    return Release(tmp_path, kwok_cluster)


def of_the_user(job: Job) -> Object:
    meta = job.read()["metadata"]
    return {name: meta.get(name) for name in ("uid", "generation", "labels", "annotations")}


@contextmanager
def at_work(operator: Operator) -> Iterator[Operator]:
    """Until it is killed."""
    operator.start()
    try:
        yield operator
    finally:
        operator.kill()


def jobs_of(job: Job) -> str:
    return f"/apis/batch/v1/namespaces/{job.namespace}/jobs"


def looked_at(operator: Operator, job: Job) -> None:
    """The operator has seen the job as it is now."""
    for number in ("once", "twice"):
        passes = operator.passes()
        job.api.merge(job.path, {"metadata": {"labels": {"seen": number}}})
        until("it to be looked at", lambda seen=passes: operator.passes() > seen)


def test_a_job_that_is_done_stays_as_it_is(api: Api, old: Operator, newer: Release, job: Job):
    with at_work(old):
        job.apply(pods__prepare=KNOWN).until_complete()
        until("its children to be gone", lambda: not job.children())
    mine, status = of_the_user(job), job.status
    newer.install_crd()
    until("the default to be filled in", lambda: job.read()["spec"]["data"].get("newInData"))
    upgraded = newer.operator(job.namespace)
    with api.noting(jobs_of(job)) as made, at_work(upgraded):
        until("it to be looked at", lambda: upgraded.passes() > 0)
        looked_at(upgraded, job)
    assert made == []
    assert job.status == status
    assert of_the_user(job) | {"labels": mine["labels"]} == mine


def test_a_job_that_runs_goes_on_with_the_settings_it_had(api: Api, old: Operator, newer: Release, job: Job):
    with at_work(old):
        job.apply(pods__label=HELD, pods__train=HELD)
        pod = job.running_pod("label-small")
    newer.install_crd()
    until("the default to be filled in", lambda: job.read()["spec"]["data"].get("newInData"))
    generation = job.read()["metadata"]["generation"]

    with at_work(old):  # the CRD comes first; its node is drained while the newer image is still to come
        looked_at(old, job)
        job.until("its word", lambda _: job.condition()["reason"] == "OperatorTooOld")
        assert job.condition()["status"] == "Unknown"
        assert "Upgrade the operator" in job.condition()["message"]

    upgraded = newer.operator(job.namespace)
    with api.noting(jobs_of(job)) as made, at_work(upgraded):
        until("the newer operator to have looked", lambda: upgraded.passes() > 0)
        assert job.running_pod("label-small")["metadata"]["uid"] == pod["metadata"]["uid"]
        job.tell(pod, hold=None)
        later = job.running_pod("train")
        assert frozen(job.child("train"))["strong"]["batchTokens"] == 8192
        job.tell(later, hold=None)
        job.until_complete()
    assert [name.split("-")[1] for name in made] == EVERY[2:]
    assert {one["run"] for one in job.status["stages"]} == {1}
    assert job.read()["metadata"]["generation"] == generation


def frozen(child: Object | None) -> Object:
    """What its process is told."""
    assert child is not None
    annotations = child["spec"]["template"]["metadata"]["annotations"]
    return dict(json.loads(annotations[f"{GROUP}/stage-job"])["spec"])


# The chart


def test_a_chart_upgrade_and_its_removal_leave_running_jobs_alone(
    kwok_cluster: Path, api: Api, old: Operator, job: Job, tmp_path: Path
):
    def helm(*words: str) -> None:
        command = [HELM, "--kubeconfig", kwok_cluster, "--namespace", job.namespace, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def seen() -> Object:
        """The job, and all that runs for it."""
        runs = {one["metadata"]["name"]: one["metadata"]["uid"] for one in [*job.children(), *job.pods()]}
        return of_the_user(job) | {"spec": job.read()["spec"], "runs": runs}

    def knows(field: str) -> bool:
        (version,) = api("GET", CRD)["spec"]["versions"]
        return (
            field
            in version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["data"]["properties"]
        )

    helm("install", "w2s", str(previous(tmp_path)), "--take-ownership")
    try:
        until("the previous release's CRD", lambda: not knows("revision"))
        with at_work(old):
            job.apply(pods__label=HELD)
            job.running_pod("label-small")
        before = seen()
        assert before["runs"]
        helm("upgrade", "w2s", str(CHART))
        until("this release's CRD", lambda: knows("revision"))
        assert job.read()["spec"]["data"].pop("revision") == ""  # the new default
        after = seen()
        after["spec"]["data"].pop("revision")
        assert after == before
    finally:
        helm("uninstall", "w2s")
    assert knows("revision")
    assert seen()["runs"] == before["runs"]
    assert of_the_user(job) == {name: before[name] for name in of_the_user(job)}
    with at_work(old):  # and whoever is installed next goes on with it
        job.tell(job.running_pod("label-small"), hold=None)
        job.until_complete()
    assert {one["run"] for one in job.status["stages"]} == {1}


def previous(folder: Path) -> Path:
    """A chart of an earlier version: other images, and a CRD that lacks a field."""
    shutil.copytree(CHART, folder / "previous")
    chart = yaml.safe_load((folder / "previous" / "Chart.yaml").read_text())
    assert chart["version"] != "0.0.1"
    (folder / "previous" / "Chart.yaml").write_text(
        yaml.safe_dump(chart | {"version": "0.0.1", "appVersion": "0.0.1"})
    )
    crd = folder / "previous" / "files" / f"{PLURAL}.{GROUP}.yaml"
    plain = yaml.safe_load(crd.read_text())
    del plain["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["data"][
        "properties"
    ]["revision"]
    crd.write_text(yaml.safe_dump(plain))
    return folder / "previous"
