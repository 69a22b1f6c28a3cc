"""`kubectl w2s logs`: what the newest pod of a stage says, progress as readable lines."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from w2s_api.child_jobs import CONTAINER, JOB_UID_LABEL, RUN_LABEL, STAGE_LABEL
from w2s_api.exit_codes import ExitCode
from w2s_api.status import StageStatus
from w2s_cli.kubectl import cluster
from w2s_cli.kubectl.errors import NotThere
from w2s_cli.kubectl.job import Raw
from w2s_cli.kubectl.text import printable, span

_SHARD_LABEL = "batch.kubernetes.io/job-completion-index"
_PROGRESS = ("stage", "message", "step", "total", "rate", "eta")
"""Fields of a progress line that have a place of their own; all others are figures."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    cluster.add_arguments(parser)
    parser.add_argument(
        "stage", nargs="?", metavar="STAGE", help="default: the one that runs, failed, or ran last"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the pod ends")
    parser.add_argument("--shard", type=int, metavar="I", help="of a stage with several pods, from 0")
    parser.add_argument("--tail", type=int, metavar="N", help="the last N lines only")
    parser.add_argument("--raw", action="store_true", help="lines as the pod writes them")


def main(arguments: argparse.Namespace) -> int:
    """Prints the log, and on standard error whose it is."""
    connected = cluster.connect(arguments)
    job = connected.job(arguments.name)
    stage = job.stage(arguments.stage)
    pods = connected.pods(f"{JOB_UID_LABEL}={job.uid},{STAGE_LABEL}={stage.name}")
    pod = newest(pods, arguments.shard)
    if pod is None:
        raise NotThere(no_pod(stage, arguments.shard))
    name = pod["metadata"]["name"]
    sys.stderr.write(f"Stage {stage.name}, run {_run(pod)}, pod {name}\n")
    if reason := not_started(pod):
        if not arguments.follow:
            raise NotThere(f"The pod has not started: {reason}.{_message(stage)}")
        sys.stderr.write(f"It has not started: {reason}. Waiting.\n")
        if not any(not_started(change) is None for change in connected.pod_changes(name)):
            raise NotThere("The pod is gone or still has not started. See: kubectl w2s status " + job.place)
    lines = connected.log(
        name, CONTAINER, follow=arguments.follow, times=not arguments.raw, tail=arguments.tail
    )
    for line in lines:
        print(line if arguments.raw else readable(line), flush=arguments.follow)
    return ExitCode.DONE


def newest(pods: Sequence[Raw], shard: int | None = None) -> Raw | None:
    """Returns the pod to look at: of the last run; there, one that failed or else runs; there, the youngest.

    Args:
        pods: of one stage.
        shard: only pods of this one.
    """
    ranks = {"Failed": 2, "Running": 1}
    wanted = [pod for pod in pods if shard is None or _shard(pod) == shard]
    return max(
        wanted,
        key=lambda pod: (
            _run(pod),
            ranks.get(pod.get("status", {}).get("phase"), 0),
            pod["metadata"]["creationTimestamp"],
        ),
        default=None,
    )


def not_started(pod: Raw) -> str | None:
    """Says why the container of a pod has not started yet; None if it has."""
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or []
    state = next((entry.get("state") or {} for entry in containers if entry["name"] == CONTAINER), {})
    if "running" in state or "terminated" in state:
        return None
    if "waiting" in state:
        return str(state["waiting"].get("reason") or "Waiting")
    unscheduled = (
        condition.get("reason")
        for condition in status.get("conditions") or ()
        if condition["type"] == "PodScheduled" and condition["status"] == "False"
    )
    return str(next(unscheduled, None) or status.get("reason") or status.get("phase") or "Pending")


def no_pod(stage: StageStatus, shard: int | None) -> str:
    """Says why there is nothing to show."""
    if shard is not None:
        return f"Stage {stage.name} has no pod of shard {shard}."
    if stage.state == "Reused" and not stage.run:
        return f"Stage {stage.name} had no pod: what it would make was in the store already."
    if stage.run == 0 or stage.state in ("Waiting", "Queued"):
        return f"Stage {stage.name} has no pod yet: it is {stage.state}.{_message(stage)}"
    return (
        f"The pod of stage {stage.name}, run {stage.run}, is gone, and its log with it.{_message(stage)}"
        " Pods go when a job ends well; its figures are in the report. A log collector of the cluster keeps logs."
    )


def readable(line: str) -> str:
    """A line of a log for a person: time (UTC), then progress in words, or what was written.

    Args:
        line: with the time in front, as the kubelet gives it.
    """
    stamp, _, text = line.partition(" ")
    if len(stamp) < 20 or stamp[10:11] != "T":
        return printable(line)
    return f"{stamp[5:10]} {stamp[11:19]}  {_words(text)}"


def _words(text: str) -> str:
    try:
        plain: Any = json.loads(text)
    except ValueError:
        return printable(text)
    if not isinstance(plain, dict) or "message" not in plain:
        return printable(text)
    return printable("  ".join(part for part in _parts(plain) if part))


def _parts(plain: Raw) -> Iterator[str]:
    yield str(plain["message"])
    step, total = plain.get("step"), plain.get("total")
    if isinstance(step, int) and isinstance(total, int):
        yield f"{step:,}/{total:,}"
        yield f"{100 * step // total} %" if total else ""
    for name, value in plain.items():
        if name not in _PROGRESS:
            yield f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
    if isinstance(rate := plain.get("rate"), int | float):
        yield f"{rate:,.4g}/s"
    if isinstance(eta := plain.get("eta"), int | float) and step != total:
        yield f"{span(eta)} left"


def _run(pod: Raw) -> int:
    return int((pod["metadata"].get("labels") or {}).get(RUN_LABEL, "0"))


def _shard(pod: Raw) -> int:
    return int((pod["metadata"].get("labels") or {}).get(_SHARD_LABEL, "0"))


def _message(stage: StageStatus) -> str:
    return f" {printable(stage.message)}" if stage.message else ""
