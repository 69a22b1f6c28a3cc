import json
from types import SimpleNamespace

import pytest

from w2s_trainer.asking.job import EndedJob
from w2s_trainer.errors import BadData


def ended(tmp_path, kind: str, stages: dict) -> EndedJob:
    results = {"provenance": stages, "task": {"type": kind}}
    store = SimpleNamespace(read=lambda _uri: json.dumps(results).encode())
    return EndedJob(store, "s3://b/w2s", "legal", "job", tmp_path)


@pytest.mark.parametrize(
    ("kind", "stages"), [("Classification", {}), ("Generation", {"combine": {"key": "k"}})]
)
def test_a_job_without_distributions_has_nothing_to_ask_about(tmp_path, kind, stages):
    with pytest.raises(BadData, match=rf"legal/job has no arm `combined` with.*task\.type {kind}") as error:
        ended(tmp_path, kind, stages)
    assert error.value.reason == "NoCombination"


def test_a_job_of_classes_with_its_combination_is_asked_about(tmp_path):
    assert ended(tmp_path, "Classification", {"combine": {"key": "k"}}).name == "job"
