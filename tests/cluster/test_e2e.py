"""End to end on real pods: the chart, real images, real models, an S3 server outside of the pods. `make e2e`."""

import pytest
from contract_kit import Job, Object, until
from e2e_kit import LocalRun, Site, example

pytestmark = pytest.mark.e2e
STAGES = ["prepare", "label-rules", "aggregate", "select", "train", "combine", "evaluate", "promote"]


@pytest.fixture(scope="module")
def job(here: Site, namespace_with_operator: str) -> Job:
    """The example, with its model and its data in the store."""
    return here.job(namespace_with_operator, "restricted", example("restricted"))


def test_the_example_runs_in_pods_and_has_the_figures_of_w2s_run(here, job):
    local = LocalRun(here, job)
    job.apply()
    here.helm("test", "w2s-operator", "-n", job.namespace, "--timeout", "120s")
    status = job.until_complete(seconds=400)
    assert [one["name"] for one in status["stages"]] == STAGES
    assert {one["state"] for one in status["stages"]} == {"Done"}
    found, expected = here.results(job), local.results()
    for part in ("task", "data", "labelers", "aggregation", "selection", "evaluation", "promotion", "answer"):
        assert found[part] == expected[part], part
    assert found["training"]["examples"] == expected["training"]["examples"]
    gain = found["evaluation"]["comparisons"][0]["estimate"]
    assert float(status["results"]["gain"]) == pytest.approx(gain, abs=1e-4)
    assert float(status["results"]["candidate"]) - float(status["results"]["weak"]) == pytest.approx(
        gain, abs=2e-4
    )
    assert job.condition("Promoted")["status"] != "Unknown"


def test_a_job_applied_again_starts_no_training_and_no_labelling(here, job):
    before = job.until_complete()
    job.delete()
    until("the job's Jobs to go", lambda: job.gone() and not job.children(), 60)
    job.apply()
    after = job.until_complete(seconds=200)
    runs = {one["name"]: one["run"] for one in after["stages"]}
    assert runs == {name: int(name in ("prepare", "evaluate", "promote")) for name in STAGES}
    assert {one["state"] for one in after["stages"]} == {"Reused"}
    assert artifacts(after) == artifacts(before)
    assert after["results"] == before["results"]
    told = [
        [one["status"] for one in seen["conditions"] if one["type"] == "Promoted"] for seen in (before, after)
    ]
    assert told[0] == told[1]


def test_an_edit_of_the_training_runs_it_again_and_nothing_before(here, job):
    before = job.until_complete()
    made = written(here, job)
    job.apply(strong__tuning__head__l2="4")
    after = job.until_complete(seconds=200)
    again = {"train", "combine", "evaluate", "promote"}
    ran = {one["name"] for one in after["stages"] if one["run"] and one["state"] == "Done"}
    assert ran - {"prepare"} == again
    changed_artifacts = {name for name, key in artifacts(after).items() if key != artifacts(before)[name]}
    assert changed_artifacts == again
    new = {uri.split("/artifacts/")[1].split("/")[0] for uri in written(here, job) - made}
    assert new == again


def artifacts(status: Object) -> dict[str, str]:
    """Content keys by stage."""
    return {one["name"]: one["artifact"] for one in status["stages"]}


def written(here: Site, job: Job) -> set[str]:
    """Manifests of artifacts."""
    found = here.objects.list(f"{job.spec['storage']['uri']}/artifacts/")
    return {one.uri for one in found if one.uri.endswith("/manifest.json") and "/checkpoints/" not in one.uri}
