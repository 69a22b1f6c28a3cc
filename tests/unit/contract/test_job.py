import json

import pytest

from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec
from w2s_trainer.contract.job import StageJob, read_job
from w2s_trainer.errors import BadSpec

SPEC = Spec.model_validate(
    {
        "task": {"classes": [{"name": "free"}, {"name": "restricted"}]},
        "data": {"unlabeled": {"uri": "s3://data/u.jsonl"}, "gold": {"uri": "s3://data/g.jsonl"}},
        "storage": {"uri": "s3://data/w2s"},
        "weak": {
            "labelers": [
                {
                    "name": "rules",
                    "type": "Functions",
                    "functions": {"rules": [{"className": "free", "pattern": "gpl"}]},
                }
            ]
        },
        "strong": {"model": {"uri": "py://some-model"}},
    }
)


def job(name: str) -> StageJob:
    stage = {stage.name: stage for stage in pipeline(SPEC)}[name]
    return StageJob("default", "licences", SPEC, stage, stage.key, {"prepare": "ab"}, denied_seconds=0)


@pytest.mark.parametrize("stage", ["prepare", "label-rules", "train", "promote"])
def test_a_job_file_comes_back_as_it_was_written(tmp_path, stage):
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job(stage).to_json()))
    assert read_job(path) == job(stage)


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: plain.update(stage="label-other"),
        lambda plain: plain.pop("spec"),
        lambda plain: plain["spec"].pop("task"),
        lambda plain: plain.update(needs=3),
        lambda plain: plain.update(patience={}),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, change):
    plain = job("train").to_json()
    change(plain)
    (tmp_path / "job.json").write_text(json.dumps(plain))
    with pytest.raises(BadSpec) as error:
        read_job(tmp_path / "job.json")
    assert error.value.reason == "BadJobFile"
