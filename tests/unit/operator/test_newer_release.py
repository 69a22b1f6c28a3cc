"""A CRD of a newer release than the operator: nothing is begun, and nothing is given up."""

import copy

from operator_kit import Cluster


def newer(cluster: Cluster) -> Cluster:
    """The API server has filled in a default that this operator has never heard of."""
    cluster.spec = copy.deepcopy(cluster.spec)
    cluster.spec["data"]["languages"] = "All"
    return cluster.settle()


def test_a_job_that_runs_is_left_alone_until_the_operator_is_newer_too(cluster: Cluster):
    cluster.settle().run("prepare")
    cluster.settle()
    before, created = cluster.status, list(cluster.created)
    newer(cluster)
    assert cluster.condition("Complete") == ("Unknown", "OperatorTooOld")
    assert cluster.condition("Reconciling") == ("True", "OperatorTooOld")
    assert cluster.condition("Stalled") == ("False", "NotStalled")
    assert (cluster.status.stages, cluster.created, cluster.deleted) == (before.stages, created, [])
    del cluster.spec["data"]["languages"]
    cluster.complete()
    assert cluster.created.count("prepare/1") == 1


def test_a_job_that_is_done_is_left_as_it_is(cluster: Cluster):
    before = cluster.complete().status
    assert newer(cluster).status == before
