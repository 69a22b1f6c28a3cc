"""How a run ended: a table of what is left of it."""

import pytest

from w2s_operator.observed import ChildJob, ChildPod, Exit, Words
from w2s_operator.planning.outcome import outcome

DONE = Words("Done", artifact="a")


def child(
    condition: str | None = "Failed", reason: str = "BackoffLimitExceeded", message: str = ""
) -> ChildJob:
    return ChildJob(
        namespace="legal", name="j", uid="j", job="indemnity", job_uid="u", stage="train", stage_key="k",
        instance="i", run=1, settings="", created=0.0, condition=condition, reason=reason, message=message,
    )  # fmt: skip


def pod(
    code: int | None,
    reason: str = "",
    words: Words | None = None,
    disrupted: str | None = None,
    limit: str = "",
) -> ChildPod:
    return ChildPod(
        namespace="legal", name="p", uid="p", child_uid="j", job="indemnity", stage="train",
        instance="i", created=0.0, phase="Failed", disrupted=disrupted, memory_limit=limit,
        exit=None if code is None else Exit(code, reason, words, 0.0),
    )  # fmt: skip


CASES = [
    ("it goes on", child(None), [pod(None)], None, None),
    ("one pod has failed, the Job not yet", child(None), [pod(70)], None, None),
    ("done", child("Complete"), [pod(0, words=DONE)], "Done", ""),
    ("done, and nobody heard it", child("Complete"), [], "Lost", "ResultLost"),
    ("done, without an artifact", child("Complete"), [pod(0, words=Words("Done"))], "Lost", "ResultLost"),
    ("bad spec", child(), [pod(64)], "Final", "BAD_SPEC"),
    ("bad data, in its own words", child(), [pod(65, words=Words(reason="NoText"))], "Final", "NoText"),
    ("denied", child(), [pod(77)], "Final", "DENIED"),
    ("final beats eviction", child(), [pod(64, disrupted="Evicted")], "Final", "BAD_SPEC"),
    ("an input is gone", child(), [pod(66)], "InputGone", "InputGone"),
    ("stopped", child(), [pod(75)], "Disrupted", "Stopped"),
    ("evicted", child(), [pod(75, disrupted="EvictionByEvictionAPI")], "Disrupted", "EvictionByEvictionAPI"),
    ("killed when evicted", child(), [pod(137, disrupted="DeletionByTaintManager")], "Disrupted", "DeletionByTaintManager"),
    ("evicted before it began", child(), [pod(None, disrupted="PreemptionByScheduler")], "Disrupted", "PreemptionByScheduler"),
    ("the store is away", child(), [pod(69)], "Disrupted", "StoreUnavailable"),
    ("own fault", child(), [pod(70, "Error")], "Fault", "Error"),
    ("own fault, in its own words", child(), [pod(70, words=Words(reason="NotANumber"))], "Fault", "NotANumber"),
    ("any other code", child(), [pod(1)], "Fault", "Error"),
    ("out of memory", child(), [pod(137, "OOMKilled")], "Fault", "OOMKilled"),
    ("refused by the kubelet", child(), [pod(-1, words=Words(reason="OutOfcpu"))], "Fault", "OutOfcpu"),
    ("the worst of the shards", child(), [pod(0, words=DONE), pod(75), pod(70)], "Fault", "Error"),
    ("a final shard beats a fault", child(), [pod(70), pod(65)], "Final", "BAD_DATA"),
    ("a shard that lacks its input beats a fault", child(), [pod(70), pod(66)], "InputGone", "InputGone"),
    ("gone, exit code rule", child(reason="PodFailurePolicy", message="rule at index 0"), [], "Final", "PodFailurePolicy"),
    ("gone, disruption rule", child(reason="PodFailurePolicy", message="rule at index 1"), [], "Disrupted", "DisruptionTarget"),
    ("gone, no rule", child(message="has reached"), [], "Fault", "BackoffLimitExceeded"),
    ("a shard gone with its pod", child(reason="FailedIndexes"), [pod(0, words=DONE)], "Disrupted", "ShardLost"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("job", "pods", "verdict", "reason"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_outcome(job: ChildJob, pods: list[ChildPod], verdict: str | None, reason: str | None):
    found = outcome(job, pods)
    assert (found and found.verdict, found and found.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("said", "whole"),
    [(("Reused", "Done"), "Done"), (("Done", "Reused"), "Done"), (("Reused", "Reused"), "Reused")],
)
def test_shards_are_reused_together_or_not_at_all(said: tuple[str, ...], whole: str):
    found = outcome(child("Complete"), [pod(0, words=Words(one, artifact="a")) for one in said])
    assert found is not None
    assert found.words is not None
    assert found.words.outcome == whole


def test_out_of_memory_names_the_limit_and_what_to_do():
    found = outcome(child(), [pod(137, "OOMKilled", limit="2Gi")])
    assert found is not None
    assert "2Gi" in found.message
    assert "resources.limits.memory" in found.message


def test_a_failure_names_pod_and_exit_code_or_its_own_words():
    silent = outcome(child(), [pod(70)])
    spoken = outcome(child(), [pod(70, words=Words(message="loss is not a number"))])
    assert silent is not None
    assert spoken is not None
    assert silent.message == "pod p: exit code 70"
    assert spoken.message == "pod p: loss is not a number"
