"""A status is never too large, and never says less than it must."""

import json

import pytest
from operator_kit import Cluster, Words

from w2s_api.status import Status
from w2s_operator.status.fitting import fit

LONG = Words("Failed", "OwnFault" * 8, "Ä☃" * 512)


def size(status: Status) -> int:
    return len(json.dumps(status.to_json(), ensure_ascii=False, separators=(",", ":")).encode())


@pytest.fixture
def largest(cluster: Cluster) -> Cluster:
    """As many stages as the API allows."""
    labelers = [
        {
            "name": f"a-labeler-with-a-name-{number}",
            "type": "Classifier",
            "classifier": {"model": {"uri": "hf://a/b"}},
        }
        for number in range(20)
    ]
    confidence = {"type": "Confidence", "confidence": {"keepFractionPerClass": "0.7"}}
    cluster.spec |= {
        "weak": {"labelers": labelers},
        "selection": {"steps": [confidence]},
        "evaluation": {"seeds": 20, "ceiling": True, "controls": ["GoldOnly", "Unfiltered", "ZeroShot"]},
        "execution": {"maxRetries": 20, "retryBackoffSeconds": 300},
    }
    cluster.spec["strong"]["tuning"] = {"type": "LoRA", "lora": {}}
    return cluster


def stages(cluster: Cluster, kind: str) -> list[str]:
    return [name for name in cluster.states() if name.startswith(kind)]


def test_the_largest_plan_fits_while_everything_fails_with_long_words(largest: Cluster):
    largest.finish("prepare").finish(*stages(largest, "label"), "aggregate", "select")
    trained = [name for name in stages(largest, "train") if largest.stage(name).state == "Starting"]
    assert len(largest.status.stages) >= 90
    for name in trained:
        largest.run(name).end(name, 70, words=LONG).step()
        assert size(largest.status) < 16_384
        assert all(len(one.message) <= 1024 for one in largest.status.conditions)
    assert [largest.stage(name).failures for name in trained] == [1] * len(trained)
    assert all(largest.stage(name).retry_time for name in trained)
    largest.wait(300).complete()
    assert size(largest.status) < 16_384
    assert largest.condition("Complete") == ("True", "Finished")
    assert set(largest.created) >= {f"{name}/2" for name in trained}


def test_what_was_left_out_is_not_done_again(largest: Cluster):
    largest.complete()
    largest.created.clear()
    largest.edit(execution={"maxRetries": 3}).complete()
    assert largest.created == []
    largest.keep()
    largest.retry = "again"
    largest.settle().complete()
    assert largest.created == ["prepare/1"]


def test_a_final_failure_among_many_keeps_its_words(largest: Cluster):
    largest.finish("prepare").finish(*stages(largest, "label"), "aggregate", "select")
    largest.run("train-strong-3").end("train-strong-3", 65, words=LONG).settle()
    assert size(largest.status) < 16_384
    assert "train-strong-3" in largest.status.conditions[0].message
    assert "☃" in (largest.stage("train-strong-3").message or "")


def test_a_status_that_fits_is_left_as_it_is(cluster: Cluster):
    cluster.settle().run("prepare").end("prepare", 70, words=LONG).settle()
    assert fit(cluster.status) == cluster.status
    assert len(cluster.stage("prepare").message or "") > 1000
