"""What goes wrong on real pods: the condition says it, nothing loops, and correcting it is all it takes."""

import json
import time
from typing import Any

import pytest
from contract_kit import Job, Object, until
from e2e_kit import BUCKET, POD, Site, example, licences

pytestmark = pytest.mark.e2e
QUICK = {"execution": {"maxRetries": 1, "retryBackoffSeconds": 1}}


@pytest.fixture(scope="module")
def spec(here: Site) -> Object:
    """The example, made small."""
    gold, pool = licences(here.folder, gold=240, pool=80)
    small = example("restricted")
    small["data"]["gold"]["uri"] = here.rows(f"s3://{BUCKET}/data/small/gold.jsonl", gold)
    small["data"]["unlabeled"]["uri"] = here.rows(f"s3://{BUCKET}/data/small/pool.jsonl", pool)
    small["data"]["testFraction"], small["data"]["goldBudget"] = "0.5", 20
    small["evaluation"] = {"seeds": 1, "controls": []}
    small["promotion"] = {"mustBeat": []}
    return small | QUICK


@pytest.fixture
def job(here: Site, namespace_with_operator: str, spec: Object, request: pytest.FixtureRequest) -> Any:
    """A small job, named for its test; gone after it."""
    name = request.node.name.removeprefix("test_")[:24].replace("_", "-").strip("-")
    made = here.job(namespace_with_operator, name, spec)
    yield made
    made.delete()


@pytest.fixture(scope="module", autouse=True)
def denied(here: Site, namespace_with_operator: str, spec: Object) -> Job:
    """A job whose keys are wrong, begun before all others: 3 minutes of denial are borne, for keys are rotated."""
    here.put_secret(namespace_with_operator, here.keys() | {"AWS_SECRET_ACCESS_KEY": "0" * 40}, "wrong")
    made = here.job(namespace_with_operator, "denied", spec)
    return made.apply(storage__credentialsSecretRef={"name": "wrong"})


def says(job: Job, seconds: float, *words: str, status: str = "Unknown") -> Object:
    """The condition Complete once it has all these words."""

    def found() -> Object | None:
        now = job.condition()
        said = f"{now['reason']} {now['message']}"
        return now if now["status"] == status and all(word in said for word in words) else None

    began = time.monotonic()
    try:
        said = until(f"{job.name} to say {words}", found, seconds)
    except AssertionError as late:
        raise AssertionError(f"{late}\n{json.dumps(job.status, indent=1)}") from None
    print(f"{job.name}: after {time.monotonic() - began:.1f} s: {said['reason']}: {said['message']}")
    return said


def test_a_missing_secret_is_named_and_awaited(here, job):
    job.apply(storage__credentialsSecretRef={"name": "absent"})
    says(job, 10, "CreateContainerConfigError", 'secret "absent" not found')
    here.put_secret(job.namespace, here.keys(), "absent")
    assert job.until_state("prepare", "Done", seconds=90)["run"] == 1


def test_a_missing_image_is_named(job):
    good = job.spec["pods"]
    job.apply(pods={"default": {**POD, "image": "localhost/nowhere:1", "imagePullPolicy": "IfNotPresent"}})
    says(job, 10, "ErrImagePull", "localhost/nowhere:1")
    job.apply(pods=good)
    assert job.until_state("prepare", "Done", seconds=60)["run"] == 2


def test_a_pod_that_fits_nowhere_has_the_words_of_the_scheduler(job):
    job.apply(pods__prepare={"resources": {"requests": {"cpu": "900"}}})
    says(job, 10, "Unschedulable", "Insufficient cpu")
    job.apply(pods__prepare=None)
    job.until_state("prepare", "Done", seconds=60)
    assert job.condition()["reason"] != "Unschedulable"


def test_bad_data_end_the_job_at_once(here, job):
    bad = f"s3://{BUCKET}/data/{job.name}/gold.jsonl"
    here.put(bad, b'{"id": "1", "licence": "x", "text": "take it", "label": "free"}\n')
    job.apply(data__gold__uri=bad)
    status = job.until_complete("False", seconds=60)
    print(job.condition()["message"])
    assert job.stage("prepare")["run"] == 1
    assert "gold.jsonl" in job.condition()["message"]
    assert "no example of `restricted`" in job.condition()["message"]
    assert next(one for one in status["conditions"] if one["type"] == "Stalled")["status"] == "True"
    here.put(bad, here.objects.read(f"s3://{BUCKET}/data/small/gold.jsonl"))
    job.annotate(retry="1")
    job.until_state("prepare", "Done", seconds=60)


def test_too_little_memory_is_named_with_its_limit(job):
    small = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "2", "memory": "250Mi"}}
    job.apply(pods__train={"resources": small})
    job.until_complete("False", seconds=180)
    said = job.condition()
    print(said)
    assert said["reason"] == "OOMKilled"
    assert "250Mi" in said["message"]
    assert (job.stage("train")["run"], job.stage("train")["failures"]) == (2, 2)
    runs = {one["name"]: one["run"] for one in job.status["stages"]}
    job.apply(pods__train=None)
    job.until_complete(seconds=180)
    assert job.stage("train")["state"] == "Done"
    assert {name: job.stage(name)["run"] for name in ("label-rules", "aggregate", "select")} == {
        name: runs[name] for name in ("label-rules", "aggregate", "select")
    }


def test_wrong_keys_are_named_and_a_corrected_secret_goes_on(here, denied):
    denied.until_complete("False", seconds=240)
    said = denied.condition()
    print(said)
    assert said["reason"] == "WrongCredentials"
    assert denied.stage("prepare")["run"] == 1
    here.put_secret(denied.namespace, here.keys(), "wrong")
    denied.annotate(retry="keys")
    denied.until_state("prepare", "Done", seconds=60)
