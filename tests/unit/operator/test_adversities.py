"""What others do to a job: requests that fail in between, pods that say odd things, releases that are newer."""

from dataclasses import replace
from typing import Any

import pytest
from operator_kit import GRACE, Cluster

from w2s_api.status import Status
from w2s_operator.cluster.errors import error_of
from w2s_operator.cluster.views import child_pod_of
from w2s_operator.observed import Words
from w2s_operator.planning.outcome import outcome
from w2s_operator.planning.plan import plan
from w2s_operator.status.job_events import job_events

# A DELETE that is lost


def lose_the_actions(cluster: Cluster) -> None:
    """The status is written, and then the API server is away, or the operator is killed."""
    found = plan(cluster.observed(), cluster.now, lambda _spec: cluster.settings)
    assert found.status is not None
    assert found.actions
    cluster.status = Status.model_validate(found.status.to_json())


def test_a_stop_for_a_suspension_is_made_again(cluster: Cluster):
    cluster.settle().run("prepare").settle()
    cluster.spec["suspend"] = True
    cluster.generation += 1
    lose_the_actions(cluster)
    cluster.settle().collect()
    assert [stage for stage, _ in cluster.deleted] == ["prepare"]
    assert cluster.condition("Suspended") == ("True", "Suspended")


def test_a_stop_for_other_settings_is_made_again(cluster: Cluster):
    cluster.settings = {"prepare": "old"}
    cluster.settle().trouble("prepare", "ImagePullBackOff").settle()
    cluster.settings = {"prepare": "new"}
    cluster.generation += 1
    lose_the_actions(cluster)
    cluster.settle().collect()
    assert cluster.created == ["prepare/1", "prepare/2"]


def test_a_stop_on_a_lost_node_is_made_again(cluster: Cluster):
    cluster.settle().run("prepare").settle()
    cluster.terminate(cluster.pod("prepare")).settle()
    cluster.now += GRACE + 61
    lose_the_actions(cluster)
    cluster.settle().wait(1000)
    assert cluster.created == ["prepare/1", "prepare/2"]


def test_a_stop_at_a_deadline_is_made_again(cluster: Cluster):
    cluster.spec["execution"] = {"pendingDeadlineSeconds": 300}
    cluster.settle().now += 301
    lose_the_actions(cluster)
    cluster.settle()
    assert [stage for stage, _ in cluster.deleted] == ["prepare"]


def test_what_an_edit_stopped_and_the_next_brings_back_was_stopped_by_us(cluster: Cluster):
    cluster.settle().finish("prepare", "label-small", "aggregate", "select").run("train").settle()
    cluster.edit(strong__maxTokens=64)
    del cluster.spec["strong"]["maxTokens"]
    cluster.generation += 1
    cluster.settle().collect().keep().finish("prepare").wait(5)
    assert cluster.created[-1] == "train/2"
    assert cluster.stage("train").disruptions is None


# Last words and reasons that are not as they should be


@pytest.mark.parametrize(
    "figures",
    [
        {"weak": 1e300},
        {"weak": 10**400},
        {"weak": float("inf")},
        {"gain": [float("nan"), 0, 0]},
        {"gain": [1e40, 0, 0]},
        {"metric": "\ud800\x1b"},
    ],
)
def test_figures_that_are_none_are_left_out(cluster: Cluster, figures: dict[str, Any]):
    cluster.finish("prepare", "label-small", "aggregate", "select", "train", "combine")
    words = Words("Done", artifact="a", figures={"candidate": 0.7, **figures})
    cluster.run("evaluate").end("evaluate", words=words).settle()
    results = cluster.status.results
    assert results is not None
    assert (results.weak, results.gain, cluster.status.gain) == (None, None, None)
    assert results.candidate == "0.7000"
    assert (results.metric or "").isprintable()


@pytest.mark.parametrize(
    ("said", "kept"), [("FailedWebhook", "FailedWebhook"), ("image is not allowed: ask", ""), ("R" * 65, ""), (None, "")]
)  # fmt: skip
def test_the_reason_of_a_webhook_is_a_word_or_none(said: str | None, kept: str):
    assert error_of(400, {"reason": said, "message": "no"}).reason == kept


def raw_pod(phase: str, init: dict[str, Any] | None, stage: dict[str, Any]) -> dict[str, Any]:
    meta = {"name": "p", "namespace": "legal", "uid": "p", "creationTimestamp": "2026-01-01T00:00:00Z"}
    containers = {"containerStatuses": [{"name": "stage", "state": stage}]}
    inits = {"initContainerStatuses": [{"name": "istio-init", "state": init}]} if init else {}
    return {"metadata": meta, "status": {"phase": phase, **containers, **inits}}


def message_of(cluster: Cluster, raw: dict[str, Any]) -> str:
    cluster.settle()
    job = replace(cluster.child("prepare"), condition="Failed")
    found = outcome(job, [child_pod_of(raw)])
    assert found is not None
    return found.message


def test_a_container_that_could_not_begin_says_why(cluster: Cluster):
    why = 'exec: "w2s": executable file not found in $PATH'
    never = {"exitCode": 128, "reason": "StartError", "message": why, "startedAt": "1970-01-01T00:00:00Z"}
    raw = raw_pod("Failed", None, {"terminated": never})
    assert child_pod_of(raw).started is None
    assert why in message_of(cluster, raw)


def test_an_init_container_that_failed_is_named(cluster: Cluster):
    raw = raw_pod("Failed", {"terminated": {"exitCode": 3}}, {"waiting": {"reason": "PodInitializing"}})
    assert "istio-init ended with exit code 3" in message_of(cluster, raw)


def test_an_init_container_that_waits_is_named():
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    problem = child_pod_of(raw_pod("Pending", waiting, {"waiting": {"reason": "PodInitializing"}})).problem
    assert problem is not None
    assert (problem.reason, problem.message) == (
        "ImagePullBackOff",
        "init container istio-init: no such image",
    )


# Newer releases


def test_a_job_that_nobody_has_seen_yet_says_that_its_crd_is_newer(cluster: Cluster):
    cluster.spec["brandNew"] = 1
    assert cluster.settle().condition("Complete") == ("Unknown", "OperatorTooOld")


def test_a_spec_that_a_newer_operator_understands_is_run(cluster: Cluster):
    steps = cluster.spec.get("selection")
    cluster.spec["selection"] = {"steps": [{"type": "BrandNew"}]}
    assert cluster.settle().condition("Complete") == ("False", "InvalidSpec")
    cluster.spec["selection"] = steps or {"steps": []}  # what the upgrade makes of the same generation
    cluster.settle()
    assert cluster.created == ["prepare/1"]


# What is told


def test_a_retry_does_not_say_again_what_the_run_before_it_died_of(cluster: Cluster):
    cluster.settle().run("prepare").settle()
    cluster.end("prepare", 1, reason="Error").settle()
    before = cluster.status
    cluster.wait(20)
    assert cluster.created[-1] == "prepare/2"
    assert list(job_events(before, cluster.status)) == []
    assert cluster.stage("prepare").message is None


def test_a_failure_is_final_also_while_prepare_looks_again(cluster: Cluster):
    cluster.spec["execution"] = {"pendingDeadlineSeconds": 300}
    cluster.settle().finish("prepare", "label-small", "aggregate", "select")
    cluster.edit(evaluation={"positiveThreshold": "0.4"}).run("prepare")
    cluster.wait(301)
    cluster.collect().finish("prepare").wait(1)
    assert cluster.condition("Complete") == ("False", "PendingDeadlineExceeded")
    assert "train/2" not in cluster.created


def test_what_the_run_before_died_of_is_told_while_the_next_runs(cluster: Cluster):
    cluster.settle().run("prepare").settle()
    words = Words("Failed", "StoreUnavailable", "https://s3.example.org does not answer")
    cluster.end("prepare", 69, words=words).settle().wait(20)
    cluster.run("prepare").settle()
    (complete,) = (one for one in cluster.status.conditions if one.type == "Complete")
    assert (complete.status, complete.reason) == ("Unknown", "Running")
    assert "Stage prepare is running. The run before it: " in complete.message
    assert "https://s3.example.org does not answer" in complete.message
    cluster.end("prepare").settle()
    assert cluster.stage("prepare").last_end is None
