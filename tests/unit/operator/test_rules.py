"""What stops a job, what it waits for, and what is said of it: each rule on a cluster of its own."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from operator_kit import GRACE, START, Cluster

from w2s_api.status import Status
from w2s_operator.observed import Refusal
from w2s_operator.planning.outcome import POD_STATUS_GRACE
from w2s_operator.planning.run_state import SIDECAR_AFTER
from w2s_operator.times import from_seconds

TWO = [
    {"name": name, "type": "Classifier", "classifier": {"model": {"uri": f"hf://legal/{name}"}}}
    for name in ("small", "other")
]


@pytest.fixture
def two(cluster: Cluster) -> Cluster:
    """With two labelers, which run side by side."""
    cluster.spec["weak"] = {"labelers": copy.deepcopy(TWO)}
    return cluster.finish("prepare")


# Side by side


def test_stages_that_need_nothing_of_each_other_run_side_by_side(two: Cluster):
    assert two.created[-2:] == ["label-small/1", "label-other/1"]


@pytest.mark.parametrize("code", [0, 70])
def test_a_run_that_nobody_saw_running_has_its_times(two: Cluster, code: int):
    two.run("label-small")
    two.now += 3
    stage = two.end("label-small", code).settle().stage("label-small")
    assert (stage.start_time, stage.completion_time) == (from_seconds(START), from_seconds(START + 3))


def test_after_a_final_failure_nothing_is_started_and_what_runs_goes_on(two: Cluster):
    two.run("label-small").run("label-other")
    two.end("label-small", 65).settle()
    assert two.condition("Complete")[0] == "False"
    assert two.stage("label-other").state == "Running"
    two.end("label-other").settle()
    assert two.stage("label-other").state == "Done"
    assert "aggregate/1" not in two.created
    assert two.condition("Complete")[0] == "False"


def test_a_final_failure_stays_though_another_stage_lacks_its_input(two: Cluster):
    two.run("label-small").run("label-other")
    two.end("label-small", 65).settle()
    two.end("label-other", 66).settle()
    assert two.stage("label-small").state == "Failed"
    assert two.created.count("prepare/1") == 1
    two.wait(10_000)
    assert two.condition("Complete")[0] == "False"


def test_a_final_failure_stays_while_a_third_stage_goes_on(cluster: Cluster):
    third = {"name": "third", "type": "Classifier", "classifier": {"model": {"uri": "hf://legal/third"}}}
    cluster.spec["weak"] = {"labelers": [*copy.deepcopy(TWO), third]}
    cluster.finish("prepare").run("label-small").run("label-other").run("label-third").settle()
    cluster.end("label-small", 65).settle()
    cluster.end("label-other", 66).settle()
    assert cluster.stage("label-small").state == "Failed"
    assert cluster.created.count("prepare/1") == 1


def test_the_end_keeps_its_time_while_others_finish(two: Cluster):
    two.run("label-small").run("label-other")
    two.end("label-small", 65).settle()
    ended = two.status.completion_time
    two.now += 500
    two.end("label-other").settle()
    assert two.status.completion_time == ended


def test_after_a_final_failure_no_retry_is_made(two: Cluster):
    two.run("label-small").run("label-other")
    two.end("label-other", 70).settle()
    two.end("label-small", 65).wait(1000)
    assert two.stage("label-other").run == 1
    assert "label-other/2" not in two.created


def test_nothing_is_started_in_the_pass_that_finds_an_input_gone(two: Cluster):
    two.run("label-small").run("label-other")
    two.end("label-other", 70).settle()
    two.end("label-small", 66)
    two.now += 10
    two.settle()
    assert two.created[-1] == "prepare/1"
    assert "label-other/2" not in two.created


# Deadlines


def test_the_active_deadline_stops_what_runs(cluster: Cluster):
    cluster.spec["execution"] = {"activeDeadlineSeconds": 100}
    cluster.settle().run("prepare").wait(99)
    assert cluster.stage("prepare").state == "Running"
    assert cluster.wake_at == START + 100
    cluster.wait(1)
    assert cluster.stage("prepare").reason == "ActiveDeadlineExceeded"
    assert ("prepare", "ActiveDeadlineExceeded") in cluster.deleted
    assert cluster.condition("Complete") == ("False", "ActiveDeadlineExceeded")


def test_the_active_deadline_ends_a_job_that_waits_for_its_retry(cluster: Cluster):
    cluster.spec["execution"] = {"activeDeadlineSeconds": 100, "retryBackoffSeconds": 300}
    cluster.settle().run("prepare").end("prepare", 70).settle()
    assert cluster.stage("prepare").state == "Retrying"
    assert cluster.wake_at == START + 100
    cluster.wait(100)
    assert cluster.condition("Complete") == ("False", "ActiveDeadlineExceeded")


def test_an_edit_or_a_resumption_gives_the_job_its_time_again(cluster: Cluster):
    cluster.spec["execution"] = {"activeDeadlineSeconds": 100}
    cluster.settle().run("prepare").wait(90)
    cluster.edit(suspend=True).collect()
    cluster.wait(1000)
    assert cluster.condition("Complete")[0] == "Unknown"
    cluster.edit(suspend=False).run("prepare").wait(90)
    assert cluster.condition("Complete")[0] == "Unknown"
    cluster.edit(execution={"activeDeadlineSeconds": 95})
    cluster.wait(90)
    assert cluster.condition("Complete")[0] == "Unknown"


def test_the_pending_deadline_fails_the_stage_with_the_schedulers_words(cluster: Cluster):
    cluster.spec["execution"] = {"pendingDeadlineSeconds": 30}
    cluster.settle().trouble("prepare", "Unschedulable", "0/4 nodes are available").wait(29)
    assert cluster.stage("prepare").state == "Starting"
    cluster.wait(1)
    assert cluster.condition("Complete") == ("False", "PendingDeadlineExceeded")
    assert "0/4 nodes are available" in (cluster.stage("prepare").message or "")
    assert ("prepare", "PendingDeadlineExceeded") in cluster.deleted


def test_waiting_in_a_queue_counts_for_no_pending_deadline(cluster: Cluster):
    cluster.spec["execution"] = {"pendingDeadlineSeconds": 30}
    cluster.settle()
    cluster.children = [replace(cluster.children[0], suspended=True)]
    cluster.pods = []
    cluster.wait(3600)
    assert cluster.stage("prepare").state == "Queued"
    assert cluster.condition("Complete") == ("Unknown", "WaitingForAdmission")
    cluster.children = [replace(cluster.children[0], suspended=False, began=cluster.now)]
    cluster.wait(29)
    assert cluster.stage("prepare").state == "Starting"
    cluster.wait(1)
    assert cluster.stage("prepare").state == "Failed"


# Pods that do not start, or do not end


def test_a_job_without_a_pod_is_told_after_a_while(cluster: Cluster):
    cluster.settle()
    cluster.pods = []
    cluster.wait(29)
    assert cluster.stage("prepare").reason is None
    assert cluster.wake_at == START + 30
    cluster.wait(1)
    assert cluster.condition("Complete") == ("Unknown", "NoPod")


def test_a_problem_is_said_and_gone_when_it_is_over(cluster: Cluster):
    cluster.settle().trouble("prepare", "ErrImagePull", "no such image").settle()
    assert cluster.condition("Complete") == ("Unknown", "ErrImagePull")
    assert "no such image" in cluster.status.conditions[0].message
    cluster.run("prepare").settle()
    assert cluster.condition("Complete") == ("Unknown", "Running")
    assert cluster.stage("prepare").message is None


def test_a_lost_node_costs_a_disruption_after_grace_and_a_minute(cluster: Cluster):
    cluster.settle().run("prepare")
    cluster.terminate(cluster.pod("prepare"))
    cluster.wait(GRACE + 59)
    assert cluster.created == ["prepare/1"]
    assert cluster.wake_at == START + GRACE + 60
    cluster.wait(1).wait(1)
    assert cluster.created == ["prepare/1", "prepare/2"]
    assert ("prepare", "NodeLost") in cluster.deleted
    assert (cluster.stage("prepare").disruptions, cluster.stage("prepare").failures) == (1, None)


def test_a_job_that_is_being_deleted_is_waited_for(cluster: Cluster):
    cluster.settle().run("prepare")
    cluster.children = [replace(cluster.children[0], deleting=cluster.now)]  # in the foreground
    cluster.settle()
    assert cluster.stage("prepare").state == "Stopping"
    cluster.terminate(cluster.pod("prepare")).settle()
    cluster.collect().wait(2)
    assert cluster.created == ["prepare/1", "prepare/2"]
    assert cluster.stage("prepare").disruptions == 1


def test_suspended_says_so_only_when_the_last_pod_is_gone(cluster: Cluster):
    cluster.settle().run("prepare")
    cluster.edit(suspend=True)
    assert cluster.children == []
    assert cluster.condition("Suspended")[0] == "False"
    assert cluster.condition("Complete") == ("Unknown", "Stopping")
    cluster.collect()
    assert cluster.condition("Suspended")[0] == "True"
    assert cluster.condition("Reconciling")[0] == "False"


def test_suspended_does_not_wait_for_a_pod_on_a_lost_node(cluster: Cluster):
    cluster.settle().run("prepare")
    cluster.edit(suspend=True)
    cluster.wait(GRACE + 60)
    assert cluster.condition("Suspended")[0] == "True"


def test_a_run_that_was_decided_and_never_made_is_made_after_the_suspension(cluster: Cluster):
    cluster.refused = {"prepare": Refusal("", 0, "", "", final=False)}
    cluster.step()
    cluster.refused = {}
    cluster.edit(suspend=True)
    assert cluster.condition("Suspended")[0] == "True"
    cluster.edit(suspend=False)
    assert cluster.created == ["prepare/1"]
    assert cluster.stage("prepare").state == "Starting"


def test_a_job_that_goes_before_anybody_wrote_that_it_was_there_is_made_when_its_pods_are_gone(
    cluster: Cluster,
):
    cluster.step()
    assert cluster.stage("prepare").started is None
    cluster.children = []
    cluster.terminate(*cluster.pods).settle()
    assert cluster.created == ["prepare/1"]
    cluster.collect()
    assert cluster.created == ["prepare/1", "prepare/1"]
    assert cluster.stage("prepare").disruptions is None


def test_what_is_being_stopped_is_waited_for_though_it_has_no_pod(cluster: Cluster):
    cluster.settings = {"prepare": "old"}
    cluster.settle()
    cluster.pods, before = [], list(cluster.children)
    cluster.settings = {"prepare": "new"}
    cluster.step()
    cluster.children = before  # the watch has not brought that it is gone
    cluster.step()
    assert cluster.created == ["prepare/1"]
    cluster.children = []
    cluster.settle()
    assert cluster.created == ["prepare/1", "prepare/2"]


# Refusals


def refusal(cluster: Cluster, *, final: bool, run: int = 1) -> dict[str, Refusal]:
    return {"prepare": Refusal(cluster.stage("prepare").instance, run, "Forbidden", "exceeded quota", final)}


def test_a_refusal_is_said_and_tried_again(cluster: Cluster):
    cluster.refused = {"prepare": Refusal("", 0, "", "", final=False)}
    cluster.step()
    cluster.refused = refusal(cluster, final=False)
    cluster.settle()
    assert cluster.condition("Complete") == ("Unknown", "Forbidden")
    assert cluster.stage("prepare").run == 1
    cluster.refused = {}
    cluster.settle()
    assert cluster.created == ["prepare/1"]
    cluster.run("prepare").settle()
    assert cluster.stage("prepare").message is None


def test_a_refusal_that_would_be_repeated_is_final_for_that_run(cluster: Cluster):
    cluster.refused = {"prepare": Refusal("", 0, "", "", final=False)}
    cluster.step()
    cluster.refused = refusal(cluster, final=True)
    cluster.settle()
    assert cluster.condition("Complete") == ("False", "Forbidden")
    cluster.edit(pods={"default": {"image": "x:2"}})
    assert cluster.created == ["prepare/2"]


def test_a_refusal_of_another_instance_does_not_count(cluster: Cluster):
    cluster.refused = {"prepare": Refusal("of before the edit", 1, "Invalid", "no", final=True)}
    cluster.step()
    assert cluster.stage("prepare").state == "Starting"


def test_the_last_stages_run_though_the_store_has_what_they_would_make(cluster: Cluster):
    cluster.store = dict.fromkeys(
        ("label-small", "aggregate", "select", "train", "combine", "evaluate", "promote"), "x"
    )
    cluster.complete()
    assert cluster.created == ["prepare/1", "evaluate/1", "promote/1"]


def test_a_run_of_another_instance_is_removed(cluster: Cluster):
    cluster.finish("prepare")
    cluster.retry = "again"
    cluster.settle()
    assert ("prepare", "Superseded") in cluster.deleted


# The end


def test_a_job_that_failed_keeps_its_children_for_their_logs(cluster: Cluster):
    cluster.settle().run("prepare").end("prepare", 65).wait(1000)
    assert [child.stage for child in cluster.children] == ["prepare"]


def test_ttl_counts_after_a_failure_too(cluster: Cluster):
    cluster.spec["ttlSecondsAfterFinished"] = 60
    cluster.settle().run("prepare").end("prepare", 65).settle()
    assert cluster.wake_at == START + 60
    cluster.wait(60)
    assert cluster.gone


def test_a_job_that_is_being_deleted_is_left_alone(cluster: Cluster):
    cluster.settle()
    before = (cluster.status, cluster.children)
    from w2s_operator.planning.plan import plan

    observed = replace(cluster.observed(), job=replace(cluster.job, deleting=True))
    found = plan(observed, cluster.now + 10_000)
    assert (found.status, found.actions) == (None, ())
    assert before == (cluster.status, cluster.children)


@pytest.mark.parametrize("outcome", ["Done", "Reused"])
def test_what_a_stage_says_of_its_result_is_its_state(cluster: Cluster, outcome: str):
    from w2s_operator.observed import Words

    cluster.settle().run("prepare").end("prepare", words=Words(outcome, artifact="a")).settle()
    assert cluster.stage("prepare").state == outcome


def test_a_result_that_nobody_heard_is_looked_for_in_the_store(cluster: Cluster):
    cluster.finish("prepare")
    cluster.run("label-small").end("label-small", lost=True).settle()
    assert cluster.stage("label-small").state == "Starting"  # it may be heard yet
    cluster.wait(POD_STATUS_GRACE)
    assert cluster.created[-1] == "prepare/1"
    cluster.store = {"label-small": "x1"}
    cluster.finish("prepare")
    assert cluster.stage("label-small").state == "Reused"
    assert cluster.stage("label-small").artifact == "x1"


@pytest.mark.parametrize(
    ("code", "state", "reason"), [(0, "Done", None), (65, "Failed", "BAD_DATA"), (75, "Retrying", "Stopped")]
)
@pytest.mark.parametrize("seen", [True, False])
def test_pods_may_be_heard_after_their_job(
    cluster: Cluster, code: int, state: str, reason: str | None, seen: bool
):
    """The watch of pods is behind that of Jobs: the Job has ended, its pod runs or was never seen."""
    cluster.finish("prepare").run("label-small").settle()
    before, created = cluster.pods, len(cluster.created)
    cluster.end("label-small", code)
    heard, cluster.pods = cluster.pods, before if seen else []
    cluster.settle()
    cluster.wait(POD_STATUS_GRACE - 1)
    assert (cluster.stage("label-small").state, len(cluster.created)) == ("Running", created)
    cluster.pods = heard
    cluster.settle()
    assert (cluster.stage("label-small").state, cluster.stage("label-small").reason) == (state, reason)


def test_a_sidecar_that_does_not_end_is_told(cluster: Cluster):
    cluster.settle().run("prepare").settle()
    running = cluster.children
    cluster.end("prepare")
    ended, cluster.children = cluster.children, running  # the pod runs on, and so does its Job
    cluster.pods = [replace(one, phase="Running") for one in cluster.pods]
    cluster.settle().wait(SIDECAR_AFTER - 1)
    assert cluster.stage("prepare").reason is None
    cluster.wait(1)
    assert cluster.stage("prepare").reason == "SidecarStillRuns"
    assert cluster.pods[0].name in (cluster.stage("prepare").message or "")
    cluster.children = ended
    cluster.settle()
    assert (cluster.stage("prepare").state, cluster.stage("prepare").reason) == ("Done", None)


def test_an_artifact_that_the_store_has_lost_is_made_again(cluster: Cluster):
    cluster.complete()
    cluster.store = {"label-small": cluster.stage("label-small").artifact or ""}
    cluster.created.clear()
    cluster.retry = "the bucket was emptied"
    cluster.settle().complete()
    assert cluster.created == ["prepare/1", "aggregate/1", "select/1", "train/1"] or cluster.created[:4] == [
        "prepare/1", "aggregate/1", "select/1", "train/1",
    ]  # fmt: skip
    assert "label-small/1" not in cluster.created


@pytest.mark.parametrize(
    ("change", "words"),
    [({"managedBy": "nobody"}, "managedBy"), ({"suspend": 1}, "suspend")],
)
def test_a_spec_that_is_not_understood_is_a_failure_that_says_where(
    cluster: Cluster, change: dict[str, Any], words: str
):
    cluster.spec |= change
    cluster.settle()
    assert cluster.condition("Complete") == ("False", "InvalidSpec")
    assert words in cluster.status.conditions[0].message
    assert cluster.created == []


def test_figures_that_are_no_numbers_are_left_out(cluster: Cluster):
    from w2s_operator.observed import Words

    cluster.finish("prepare", "label-small", "aggregate", "select", "train", "combine")
    odd = {"metric": 7, "weak": "much", "candidate": True, "gain": [1]}
    cluster.run("evaluate").end("evaluate", words=Words("Done", artifact="a", figures=odd)).settle()
    found = cluster.status.results
    assert found is not None
    assert (
        found.to_json()
        if hasattr(found, "to_json")
        else found.model_dump(exclude_none=True) == {"metric": "7"}
    )
    assert cluster.status.gain is None


def test_a_gate_that_is_not_passed_is_an_end_and_no_failure(cluster: Cluster):
    from w2s_operator.observed import Words

    cluster.finish("prepare", "label-small", "aggregate", "select", "train", "combine", "evaluate")
    why = ["combined − zero-shot = +0.035 [-0.007, +0.077]: the lower bound is not above 0"]
    refused = Words("Done", artifact="a", figures={"promoted": False, "reasons": why})
    cluster.run("promote").end("promote", words=refused).settle()
    assert cluster.condition("Complete")[0] == "True"
    assert cluster.condition("Promoted") == ("False", "GateNotPassed")
    assert any(why[0] in one.message for one in cluster.status.conditions if one.type == "Promoted")
    assert cluster.status.model_uri is None
    assert cluster.status.report_uri is not None


def test_transition_times_change_with_the_status_alone(cluster: Cluster):
    cluster.settle()
    since = {one.type: one.last_transition_time for one in cluster.status.conditions}
    cluster.now += 100
    cluster.run("prepare").settle()
    assert {one.type: one.last_transition_time for one in cluster.status.conditions} == since
    cluster.end("prepare", 65).settle()
    later = {one.type: one.last_transition_time for one in cluster.status.conditions}
    assert {name for name in later if later[name] != since[name]} == {
        "Complete",
        "Failed",
        "Reconciling",
        "Stalled",
    }


def test_a_status_of_another_version_is_read_as_far_as_it_is_known():
    assert Status.model_validate({"observedGeneration": 3, "later": 1}).observed_generation == 3
