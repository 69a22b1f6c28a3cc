"""How a run ended, from its Job and what is left of its pods: the one place that says what counts against the stage."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from w2s_api.exit_codes import FINAL, ExitCode
from w2s_operator.observed import ChildJob, ChildPod, Seconds, Words

RunVerdict = Literal["Done", "Lost", "Final", "Fault", "Disrupted", "InputGone"]
"""Done. Lost: it is done, but what it made is not known. Final: a person must act. Fault: counts against the
retries. Disrupted: something outside ended it; does not count. InputGone: an artifact it needs is gone."""

EXIT_CODE_RULE, DISRUPTION_RULE = 0, 1
"""Places of the rules in the podFailurePolicy of child Jobs: a Job whose pods are gone names no more than these."""

POD_STATUS_GRACE = 30.0
"""Seconds after the end of a Job for which we wait for the words of its pods. Their watch may be behind that of the
Jobs: words that have not come yet look as if they were lost."""

_RULE = re.compile(r"rule at index (\d+)")


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended."""

    verdict: RunVerdict
    reason: str = ""
    message: str = ""
    words: Words | None = None


NODE_LOST = RunOutcome("Disrupted", "NodeLost", "Its node is gone.")


def outcome(child: ChildJob, pods: Sequence[ChildPod]) -> RunOutcome | None:
    """Returns how a run ended; None while it is in progress.

    Args:
        child: its Job.
        pods: the Job's pods that still exist. The worst of them decides.
    """
    if child.condition == "Complete":
        words = _words(pods)
        return RunOutcome("Done", words=words) if words else RunOutcome("Lost", "ResultLost", _LOST)
    if child.condition != "Failed":
        return None
    failures = [end for pod in pods if (end := _of_pod(pod)) and end.verdict != "Done"]
    if failures:
        return min(failures, key=lambda end: _WORST.index(end.verdict))
    return _of_condition(child)


def pod_status_deadline(child: ChildJob, pods: Sequence[ChildPod]) -> Seconds | None:
    """When the pods of a Job that has ended should have been heard; None if they were, or it has not ended.

    Args:
        child: its Job.
        pods: the Job's pods that were seen.
    """
    if child.condition is None or (child.condition == "Complete" and _words(pods)):
        return None
    if pods and all(pod.exit or pod.disrupted for pod in pods):
        return None
    if _rule_of(child) == DISRUPTION_RULE:  # all there is to say
        return None
    return (child.ended or child.created) + POD_STATUS_GRACE


_WORST: tuple[RunVerdict, ...] = ("Final", "InputGone", "Fault", "Disrupted", "Lost", "Done")
_LOST = "The run is done, but its pod was gone before it could be heard what it made; the store knows."


def _words(pods: Sequence[ChildPod]) -> Words | None:
    """The last words that name an artifact. A stage is reused only if all its shards say so."""
    words = [pod.exit.words for pod in pods if pod.exit and pod.exit.words and pod.exit.words.artifact]
    return min(words, key=lambda last: last.outcome == "Reused", default=None)


def _of_pod(pod: ChildPod) -> RunOutcome | None:
    end, where = pod.exit, f"pod {pod.name}"
    words = end.words if end else None
    if end and end.code == ExitCode.STOPPED:
        return RunOutcome(
            "Disrupted", pod.disrupted or "Stopped", f"{where} was stopped after it saved its work."
        )
    why = words.message if words and words.message else f"exit code {end.code if end else 'unknown'}"
    if end and end.code in FINAL:
        return RunOutcome("Final", _reason(words, ExitCode(end.code).name), f"{where}: {why}")
    if end and end.code == ExitCode.INPUT_GONE:
        return RunOutcome("InputGone", _reason(words, "InputGone"), f"{where}: {why}")
    if pod.disrupted:
        return RunOutcome("Disrupted", pod.disrupted, f"{where} was disrupted ({pod.disrupted}).")
    if end is None:
        return None
    if end.code == ExitCode.DONE:
        return RunOutcome("Done", words=words)
    if end.reason == "OOMKilled":
        limit = f" of {pod.memory_limit}" if pod.memory_limit else ""
        message = f"{where} was killed: it needs more memory than its limit{limit}."
        return RunOutcome(
            "Fault", "OOMKilled", f"{message} Raise `resources.limits.memory`, or lower `batchTokens`."
        )
    if end.code == ExitCode.UNAVAILABLE:
        return RunOutcome("Disrupted", _reason(words, "StoreUnavailable"), f"{where}: {why}")
    return RunOutcome("Fault", _reason(words, end.reason or "Error"), f"{where}: {why}")


def _of_condition(child: ChildJob) -> RunOutcome:
    """The outcome of a Job whose pods are gone: all it says is which rule ended it."""
    place = _rule_of(child)
    if place == DISRUPTION_RULE:
        return RunOutcome("Disrupted", "DisruptionTarget", child.message)
    if child.reason == "FailedIndexes":  # of a shard that failed by itself the pod is still there
        return RunOutcome("Disrupted", "ShardLost", f"{child.message} (its pod is gone)")
    if place == EXIT_CODE_RULE:
        return RunOutcome("Final", "PodFailurePolicy", child.message)
    return RunOutcome("Fault", child.reason or "Failed", f"{child.message} (its pod is gone)")


def _rule_of(child: ChildJob) -> int | None:
    rule = _RULE.search(child.message) if child.reason == "PodFailurePolicy" else None
    return int(rule.group(1)) if rule else None


def _reason(words: Words | None, otherwise: str) -> str:
    return words.reason if words and words.reason else otherwise
