"""The rules of the planner, each on a cluster of its own."""

import pytest
from operator_kit import Cluster, stage_names

EVERY = ["prepare", "label-small", "aggregate", "select", "train", "combine", "evaluate", "promote"]


def test_a_job_runs_stage_by_stage_to_its_end(cluster: Cluster):
    cluster.complete()
    assert cluster.created == [f"{stage}/1" for stage in EVERY]
    assert cluster.condition("Complete") == ("True", "Finished")
    assert cluster.condition("Failed")[0] == "False"
    assert cluster.condition("Promoted")[0] == "True"
    assert cluster.condition("Reconciling")[0] == "False"
    assert cluster.status.gain == "+0.100 [+0.020, +0.180]"
    assert cluster.children == []
    before = cluster.status
    cluster.wait(86_400)
    assert cluster.status == before
    assert cluster.created == [f"{stage}/1" for stage in EVERY]


def test_a_fresh_job_has_every_condition_from_the_first_write(cluster: Cluster):
    cluster.step()
    assert [one.type for one in cluster.status.conditions] == [
        "Complete", "Failed", "Promoted", "Suspended", "Reconciling", "Stalled", "Advice",
    ]  # fmt: skip
    assert cluster.status.observed_generation == 1
    assert stage_names(cluster.spec) == list(cluster.states())


def test_a_fault_is_retried_after_a_growing_wait_and_given_up_in_the_end(cluster: Cluster):
    cluster.finish("prepare")
    for failures, wait in ((1, 10), (2, 20)):
        cluster.settle().run("label-small").end("label-small", 70).settle()
        assert cluster.stage("label-small").failures == failures
        assert cluster.stage("label-small").state == "Retrying"
        cluster.wait(wait - 1)
        assert f"label-small/{failures + 1}" not in cluster.created
        cluster.wait(1)
        assert cluster.created[-1] == f"label-small/{failures + 1}"
    cluster.run("label-small").end("label-small", 70).wait(10_000)
    assert cluster.stage("label-small").state == "Failed"
    assert cluster.condition("Complete")[0] == "False"
    assert cluster.condition("Failed")[0] == "True"
    assert cluster.condition("Stalled")[0] == "True"
    assert cluster.created.count("label-small/4") == 0


@pytest.mark.parametrize("code", [64, 65, 77])
def test_what_no_retry_can_mend_ends_the_stage_at_once(cluster: Cluster, code: int):
    cluster.settle().run("prepare").end("prepare", code).wait(10_000)
    assert cluster.created == ["prepare/1"]
    assert cluster.stage("prepare").state == "Failed"


def test_disruptions_are_counted_and_not_charged(cluster: Cluster):
    cluster.finish("prepare", "label-small", "aggregate", "select")
    for number in range(1, 8):
        cluster.run("train").end("train", 75, disrupted="EvictionByEvictionAPI").settle()
        assert cluster.stage("train").disruptions == number
        assert cluster.stage("train").failures is None
        cluster.wait(300)
    cluster.complete()
    assert cluster.condition("Complete") == ("True", "Finished")
    assert cluster.stage("train").run == 8


def test_an_edit_runs_again_what_it_changes_and_nothing_before(cluster: Cluster):
    cluster.complete()
    cluster.created.clear()
    cluster.store = {
        stage.name: stage.artifact
        for stage in cluster.status.stages
        if stage.name not in ("train", "combine", "evaluate", "promote")
    }
    cluster.edit(strong__tuning={"type": "Head", "head": {"l2": "1"}}).complete()
    assert cluster.created == ["prepare/1", "train/1", "combine/1", "evaluate/1", "promote/1"]
    assert cluster.condition("Complete") == ("True", "Finished")


def test_an_edit_of_the_pods_alone_runs_nothing(cluster: Cluster):
    cluster.complete()
    cluster.created.clear()
    cluster.edit(pods={"default": {"image": "trainer:2"}}).complete()
    assert cluster.created == []
    assert cluster.condition("Complete") == ("True", "Finished")
    assert cluster.status.observed_generation == 2


def test_suspend_stops_what_runs_and_resume_goes_on_with_the_next_run(cluster: Cluster):
    cluster.finish("prepare", "label-small", "aggregate", "select")
    cluster.run("train")
    cluster.edit(suspend=True)
    assert ("train", "Suspended") in cluster.deleted
    assert cluster.condition("Suspended")[0] == "False", "its pod is still there"
    cluster.collect()
    assert cluster.condition("Suspended")[0] == "True"
    assert cluster.condition("Complete")[0] == "Unknown"
    cluster.edit(suspend=False)
    assert cluster.created[-1] == "train/2"
    assert cluster.stage("train").disruptions is None
    cluster.complete()
    assert cluster.condition("Complete") == ("True", "Finished")


def test_what_prepare_finds_complete_is_not_run(cluster: Cluster):
    cluster.store = {"label-small": "x1", "aggregate": "x2", "select": "x3", "train": "x4"}
    cluster.complete()
    assert cluster.created == ["prepare/1", "combine/1", "evaluate/1", "promote/1"]
    assert cluster.states()["train"] == "Reused"


def test_a_corrected_secret_and_the_retry_annotation_are_all_it_takes(cluster: Cluster):
    cluster.settle().run("prepare").end("prepare", 77).wait(1000)
    assert cluster.condition("Failed")[0] == "True"
    cluster.retry = "2026-11-21"
    cluster.settle()
    assert cluster.condition("Failed")[0] == "Unknown"
    cluster.complete()
    assert cluster.condition("Complete") == ("True", "Finished")


def test_an_input_that_is_gone_is_made_anew(cluster: Cluster):
    cluster.finish("prepare", "label-small", "aggregate", "select")
    cluster.run("train").end("train", 66).settle()
    assert cluster.created[-1] == "prepare/1"
    cluster.store = {"label-small": cluster.stage("label-small").artifact or ""}
    cluster.complete()
    assert cluster.created.count("aggregate/1") + cluster.created.count("aggregate/2") == 2
    assert cluster.condition("Complete") == ("True", "Finished")


def test_a_create_that_was_lost_is_made_again_under_its_name(cluster: Cluster):
    cluster.settle()
    cluster.children, cluster.pods = [], []
    cluster.status = cluster.status.model_copy(
        update={"stages": [stage.model_copy(update={"started": None}) for stage in cluster.status.stages]}
    )
    cluster.step()
    assert cluster.created == ["prepare/1", "prepare/1"]
    assert cluster.stage("prepare").disruptions is None


def test_a_preemption_now_and_then_is_not_waited_for(cluster: Cluster):
    cluster.finish("prepare", "label-small", "aggregate", "select")
    for _ in range(12):
        cluster.run("train").settle()
        cluster.wait(3600)
        cluster.end("train", 75, disrupted="PreemptionByScheduler").settle()
        cluster.wait(1)
    assert cluster.created[-1] == "train/13"


def test_a_job_that_vanished_is_a_disruption(cluster: Cluster):
    cluster.settle()
    cluster.children, cluster.pods = [], []
    cluster.settle().wait(2)
    assert cluster.created == ["prepare/1", "prepare/2"]
    assert cluster.stage("prepare").disruptions == 1


def test_ttl_deletes_the_job_after_its_end(cluster: Cluster):
    cluster.spec["ttlSecondsAfterFinished"] = 60
    cluster.complete()
    assert not cluster.gone
    cluster.wait(59)
    assert not cluster.gone
    cluster.wait(1)
    assert cluster.gone


def test_hands_off(cluster: Cluster):
    cluster.hands_off = True
    cluster.settle()
    assert cluster.created == []
