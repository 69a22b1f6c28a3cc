"""Edits of the spec, at any time: what they run again, and what they leave alone."""

import copy
from dataclasses import replace

import pytest
from operator_kit import Cluster

L2 = {"type": "Head", "head": {"l2": "1"}}
BEFORE_TRAIN = ("prepare", "label-small", "aggregate", "select")


def test_a_run_whose_key_did_not_change_goes_on(cluster: Cluster):
    cluster.finish("prepare")
    cluster.run("label-small").settle()
    cluster.edit(strong__tuning=L2)
    assert cluster.created[-1] == "prepare/1"
    assert cluster.stage("label-small").state == "Running"
    cluster.complete()
    assert cluster.created.count("label-small/1") == 1
    assert "label-small/2" not in cluster.created


def test_a_run_that_ended_while_the_plan_was_looked_at_again_counts(cluster: Cluster):
    cluster.finish("prepare")
    cluster.run("label-small")
    cluster.edit(strong__tuning=L2)
    cluster.end("label-small").settle()
    cluster.complete()
    assert cluster.created.count("label-small/1") == 1
    assert cluster.condition("Complete")[0] == "True"


def test_a_run_whose_key_changed_is_stopped_at_once_and_not_charged(cluster: Cluster):
    cluster.finish(*BEFORE_TRAIN).keep()
    cluster.run("train")
    cluster.edit(strong__tuning=L2)
    assert ("train", "Superseded") in cluster.deleted
    cluster.finish("prepare")
    assert cluster.stage("train").run == 1
    assert (cluster.stage("train").disruptions, cluster.stage("train").failures) == (None, None)
    cluster.complete()


def test_an_edit_that_returns_waits_for_the_pods_of_before(cluster: Cluster):
    cluster.finish(*BEFORE_TRAIN).keep()
    cluster.run("train")
    old = cluster.pod("train")
    cluster.edit(strong__tuning=L2).finish("prepare")
    cluster.run("train")
    cluster.edit(strong__tuning=None)
    cluster.finish("prepare")
    assert cluster.stage("train").state == "Stopping"
    assert old.name in [pod.name for pod in cluster.pods]
    cluster.collect()
    assert cluster.stage("train").state == "Starting"
    cluster.complete()
    assert cluster.condition("Complete")[0] == "True"


@pytest.mark.parametrize("started", [True, False])
def test_pod_settings_reach_runs_that_wait_and_leave_those_that_run(cluster: Cluster, started: bool):
    cluster.settings = {"prepare": "old"}
    cluster.settle()
    if started:
        cluster.run("prepare")
    cluster.settings = {"prepare": "new"}
    cluster.edit(pods={"default": {"image": "x:2"}})
    cluster.collect()
    assert cluster.created == (["prepare/1"] if started else ["prepare/1", "prepare/2"])
    assert cluster.child("prepare").settings == ("old" if started else "new")
    assert (cluster.stage("prepare").failures, cluster.stage("prepare").disruptions) == (None, None)


def test_pod_settings_reach_a_run_that_waits_for_its_retry_at_once(cluster: Cluster):
    cluster.settle().run("prepare").end("prepare", 70).settle()
    assert cluster.stage("prepare").state == "Retrying"
    cluster.edit(pods={"default": {"image": "x:2"}})
    assert cluster.created == ["prepare/1", "prepare/2"]
    assert cluster.stage("prepare").failures is None


def test_an_edit_that_runs_nothing_keeps_the_times_of_the_end(cluster: Cluster):
    cluster.complete()
    before = cluster.status
    cluster.now += 1000
    cluster.edit(execution={"maxRetries": 5})
    assert (cluster.status.start_time, cluster.status.completion_time) == (
        before.start_time,
        before.completion_time,
    )
    assert cluster.status.observed_generation == 2


def test_an_edit_that_runs_something_begins_anew(cluster: Cluster):
    cluster.complete()
    before = cluster.status
    cluster.now += 1000
    cluster.edit(strong__tuning=L2)
    assert cluster.status.start_time != before.start_time
    assert cluster.status.completion_time is None
    assert cluster.condition("Complete")[0] == "Unknown"
    cluster.keep().store.pop("train")
    cluster.finish("prepare").settle()  # which tells what of the results still holds
    assert cluster.condition("Promoted")[0] == "Unknown"
    assert cluster.status.results is None
    assert cluster.status.gain is None


@pytest.mark.parametrize("by", ["retry", "edit"])
def test_results_outlive_a_look_at_the_store_that_finds_everything(cluster: Cluster, by: str):
    cluster.complete()
    before = cluster.status
    cluster.keep()
    if by == "retry":
        cluster.retry = "now"
        cluster.settle()
    else:
        cluster.edit(execution={"maxRetries": 5})
    for status in (cluster.status, cluster.complete().status):
        assert (status.results, status.gain) == (before.results, before.gain)
        assert status.report_uri == before.report_uri
        assert cluster.condition("Promoted") == ("True", "GatePassed")


def test_an_edit_after_a_resolution_does_not_resolve_again(cluster: Cluster):
    cluster.finish(*BEFORE_TRAIN)
    cluster.run("train").end("train", 66).settle()
    cluster.complete()
    assert cluster.status.resolutions == 1
    cluster.created.clear()
    cluster.edit(execution={"maxRetries": 5}).complete()
    assert cluster.created == []


def test_a_correction_after_the_last_resolution_has_a_budget_again(cluster: Cluster):
    cluster.finish("prepare")
    for _ in range(4):
        cluster.finish(*(["prepare"] if cluster.stage("prepare").state == "Starting" else []))
        cluster.run("label-small").end("label-small", 66).settle()
    assert cluster.stage("label-small").state == "Failed"
    assert cluster.status.resolutions == 3
    cluster.retry = "again"
    cluster.settle().finish("prepare")
    cluster.run("label-small").end("label-small", 66).settle()
    assert cluster.status.resolutions == 1
    cluster.complete()
    assert cluster.condition("Complete")[0] == "True"


def test_suspend_with_an_edit_stops_what_the_edit_leaves(cluster: Cluster):
    cluster.finish("prepare")
    cluster.run("label-small")
    cluster.edit(suspend=True, strong__tuning=L2)
    assert ("label-small", "Suspended") in cluster.deleted
    cluster.collect()
    assert cluster.condition("Suspended")[0] == "True"
    cluster.edit(suspend=False).complete()
    assert cluster.condition("Complete")[0] == "True"
    assert cluster.stage("label-small").disruptions is None


def test_an_edit_that_is_withdrawn_while_suspended_changes_nothing(cluster: Cluster):
    cluster.finish(*BEFORE_TRAIN)
    cluster.run("train")
    before = copy.deepcopy(cluster.spec)
    cluster.edit(suspend=True).collect()
    cluster.edit(strong__tuning=L2)
    cluster.spec = before
    cluster.created.clear()
    cluster.edit(suspend=False).complete()
    assert "label-small/1" not in cluster.created
    assert cluster.condition("Complete")[0] == "True"


def test_a_status_that_was_lost_is_worked_out_again_from_what_runs(cluster: Cluster):
    cluster.settle().run("prepare")
    cluster.status = type(cluster.status)()
    cluster.settle()
    assert cluster.stage("prepare").state == "Running"
    assert cluster.stage("prepare").run == 1
    cluster.end("prepare").settle()
    assert cluster.created == ["prepare/1", "label-small/1"]


def test_a_new_uid_begins_anew(cluster: Cluster):
    cluster.settle().run("prepare")
    old = cluster.children[0]
    cluster.children, cluster.pods = [], []
    cluster.status = type(cluster.status)()
    cluster.children = []
    cluster.settle()
    assert cluster.children[0].instance == old.instance  # the same object: the same instance
    assert replace(cluster.job, uid="u-2").uid != cluster.job.uid


def test_a_stage_that_waits_after_a_suspension_says_no_more_that_it_is_suspended(cluster: Cluster):
    cluster.finish(*BEFORE_TRAIN).run("train")
    cluster.edit(suspend=True).collect()
    assert cluster.stage("train").reason == "Suspended"
    cluster.edit(suspend=False, evaluation={"positiveThreshold": "0.4"})
    assert cluster.stage("prepare").state == "Starting"
    assert (cluster.stage("train").state, cluster.stage("train").reason) == ("Waiting", None)
