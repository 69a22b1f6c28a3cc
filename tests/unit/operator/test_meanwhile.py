"""While `prepare` looks at an edited plan again, a run that goes on is watched as ever."""

import pytest
from operator_kit import GRACE, Cluster


def look_again(cluster: Cluster) -> None:
    """An edit that changes what is evaluated, and nothing before: `prepare` runs, and what runs goes on."""
    cluster.edit(evaluation={"positiveThreshold": "0.4"}).run("prepare")


@pytest.fixture
def resolving(cluster: Cluster) -> Cluster:
    """`train` runs; an edit that leaves it alone makes `prepare` run again."""
    cluster.settle().finish("prepare", "label-small", "aggregate", "select").run("train").settle()
    look_again(cluster)
    cluster.settle()
    assert cluster.stage("train").state == "Running"
    assert cluster.stage("prepare").state == "Running"
    return cluster


def test_a_lost_node_is_noticed(resolving: Cluster):
    resolving.terminate(resolving.pod("train")).settle()
    resolving.wait(GRACE + 61)
    assert ("train", "NodeLost") in resolving.deleted
    assert resolving.stage("train").disruptions == 1


def test_the_jobs_deadline_holds(resolving: Cluster):
    resolving.edit(execution={"activeDeadlineSeconds": 600})
    resolving.settle()
    resolving.wait(601)
    assert ("train", "ActiveDeadlineExceeded") in resolving.deleted


def test_a_pending_deadline_holds(cluster: Cluster):
    cluster.spec["execution"] = {"pendingDeadlineSeconds": 300}
    cluster.settle().finish("prepare", "label-small", "aggregate", "select")
    assert cluster.stage("train").state == "Starting"
    look_again(cluster)
    cluster.wait(301)
    assert ("train", "PendingDeadlineExceeded") in cluster.deleted


def test_a_run_that_was_deleted_by_somebody_else_is_noticed(resolving: Cluster):
    gone = resolving.child("train")
    resolving.children = [one for one in resolving.children if one.uid != gone.uid]
    resolving.pods = [one for one in resolving.pods if one.child_uid != gone.uid]
    resolving.keep().settle().finish("prepare").wait(5)
    assert resolving.created[-1] == "train/2"


def test_a_reason_is_gone_when_it_starts(cluster: Cluster):
    cluster.settle().finish("prepare", "label-small", "aggregate", "select")
    cluster.trouble("train", "ImagePullBackOff", "no such image").settle()
    assert cluster.stage("train").reason == "ImagePullBackOff"
    look_again(cluster)
    cluster.run("train").settle()
    assert cluster.stage("train").state == "Running"
    assert cluster.stage("train").reason is None
