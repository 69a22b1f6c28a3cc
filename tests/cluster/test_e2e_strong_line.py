"""The strong model's own line on real pods: four steps before the training and one after it, each a stage of the job."""

import pytest
from contract_kit import Job, Object, until
from e2e_kit import BUCKET, MODEL, LocalRun, Site, example, licences, step

pytestmark = pytest.mark.e2e
MERGE, EXTEND, PRETRAIN, PRUNE = (
    "adapt-1-merge",
    "adapt-2-extend-vocabulary",
    "adapt-3-pretrain",
    "adapt-4-prune",
)
INTERPOLATE = "finish-1-interpolate-0"


@pytest.fixture(scope="module")
def job(here: Site, namespace_with_operator: str) -> Job:
    """The example `lora` on a part of its data, with five steps."""
    gold, pool = licences(here.folder, 160, 80)
    changes = {
        "data__gold__uri": here.rows(f"s3://{BUCKET}/data/line/gold.jsonl", gold),
        "data__unlabeled__uri": here.rows(f"s3://{BUCKET}/data/line/pool.jsonl", pool),
        "data__goldBudget": 16,
        "evaluation": {"seeds": 1, "controls": ["ZeroShot"], "unadapted": False},
        "promotion": {"metric": "MacroF1"},
        "strong__maxTokens": 32,
        "strong__training": {"epochs": 1, "checkpointIntervalSeconds": 2},
        "strong__adaptation": {"steps": steps()},
        "strong__finish": {"steps": [{"type": "Interpolate", "interpolate": {"shares": ["0.5", "1"]}}]},
    }
    return here.job(namespace_with_operator, "line", example("lora"), **changes)


def steps() -> list[Object]:
    """The steps before the training."""
    training = {"epochs": 2, "batchSize": 8, "checkpointIntervalSeconds": 60}
    return [
        {"type": "Merge", "merge": {"models": [{"uri": MODEL, "weight": "0.2"}]}},
        {
            "type": "ExtendVocabulary",
            "extendVocabulary": {"tokens": 20, "minCount": 5, "allowSmallCorpus": True},
        },
        {
            "type": "Pretrain",
            "pretrain": {"blockTokens": 32, "subset": "0.3", "checks": 1, "training": training},
        },
        {
            "type": "Prune",
            "prune": {
                "method": "Magnitude",
                "sparsity": "0.1",
                "blockTokens": 32,
                "calibrationBlocks": 16,
            },
        },
    ]


def test_each_step_is_a_stage_and_the_figures_are_those_of_w2s_run(here, job):
    job.apply()
    job.until_state(PRETRAIN, "Running", seconds=300)
    pod = job.running_pod(PRETRAIN)
    until("the first steps of the pretraining", lambda: step(job, pod) > 1, 120)
    job.evict(pod)
    status = job.until_complete(seconds=600)
    stages = {one["name"]: one for one in status["stages"]}
    assert {MERGE, EXTEND, PRETRAIN, PRUNE, INTERPOLATE} < set(stages)
    assert {one["state"] for one in stages.values()} == {"Done"}
    assert stages[PRETRAIN]["disruptions"] == 1
    found, expected = here.results(job), LocalRun(here, job).results(seconds=600)
    for part in ("task", "data", "labelers", "aggregation", "evaluation", "promotion"):
        assert found[part] == expected[part], part
