"""`kubectl w2s status`: stages, results and what to do next."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from w2s_api.exit_codes import ExitCode
from w2s_api.status import FINISHED, Results, StageStatus, condition
from w2s_cli.kubectl import cluster
from w2s_cli.kubectl.errors import NotThere
from w2s_cli.kubectl.job import SeenJob, seconds_of
from w2s_cli.kubectl.text import Paint, paint_for, printable, span, table

COLUMNS = ("STAGE", "STATE", "PROGRESS", "ETA", "RUN", "FAILURES", "DISRUPTIONS", "TOOK", "REASON")
_STYLES = {
    "Done": "green",
    "Reused": "green",
    "Running": "cyan",
    "Failed": "red",
    "Waiting": "dim",
    "Queued": "yellow",
    "Stopping": "yellow",
    "Retrying": "yellow",
    "Suspended": "yellow",
}
_PATIENCE = 15.0
"""Seconds after which an operator should have seen a change."""
_CLEAR = "\x1b[2J\x1b[H"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    cluster.add_arguments(parser)
    parser.add_argument("-w", "--watch", action="store_true", help="follow it until it is over")
    parser.add_argument("-o", "--output", choices=["json"], help="the status for programs, a line a change")


def main(arguments: argparse.Namespace) -> int:
    """Prints it; watching ends with the job, with 0 if it is complete."""
    connected = cluster.connect(arguments)
    if not arguments.watch:
        _print(connected.raw_job(arguments.name), arguments.output)
        return ExitCode.DONE
    last: Any = None
    for raw in connected.watch(arguments.name):
        seen = (raw["metadata"]["generation"], raw.get("status"), raw["metadata"].get("deletionTimestamp"))
        if seen == last:
            continue
        if not arguments.output:
            sys.stdout.write(_CLEAR if sys.stdout.isatty() else "\n" if last else "")
        last = seen
        _print(raw, arguments.output)
        job = SeenJob.of(raw)
        if job.over:
            return ExitCode.DONE if job.is_so("Complete") else ExitCode.OWN_FAULT
    raise NotThere(f"{arguments.name} was deleted.")


def _print(raw: dict[str, Any], output: str | None) -> None:
    if output == "json":
        text = json.dumps(raw.get("status") or {}, ensure_ascii=False)
    else:
        text = render(SeenJob.of(raw), time.time(), paint_for(sys.stdout))
    print(text, flush=True)


def render(job: SeenJob, now: float, paint: Paint) -> str:
    """The status as text.

    Args:
        job: it.
        now: seconds since the epoch.
        paint: colours, if there are any.
    """
    parts = [
        [_headline(job, now, paint), *_remarks(job, now)],
        _stages(job, now, paint),
        [f"{stage.name}: {printable(stage.message or '')}" for stage in job.status.stages if _matters(stage)],
        list(_results(job)),
        next_steps(job),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _headline(job: SeenJob, now: float, paint: Paint) -> str:
    status = job.status
    word, style = _word(job)
    suspended = condition(status, "Suspended")
    began = seconds_of(status.start_time) if status.start_time else job.created
    if suspended and job.is_so("Suspended"):
        began = seconds_of(suspended.last_transition_time)
    ended = seconds_of(status.completion_time) if status.completion_time and job.over else now
    done = sum(stage.state in FINISHED for stage in status.stages)
    counted = f", {done} of {len(status.stages)} stages" if status.stages and not job.over else ""
    how = ", for" if not job.over else " in" if job.is_so("Complete") else " after"
    name = paint(f"{job.namespace}/{job.name}", "bold")
    return f"{name}: {paint(word, style)}{counted}{how} {span(ended - began)}"


def _word(job: SeenJob) -> tuple[str, str]:
    """Where it stands, and the style of that."""
    if job.deleting:
        return "Being deleted", "yellow"
    if job.over:
        return ("Complete", "green") if job.is_so("Complete") else ("Failed", "red")
    if job.is_so("Suspended"):
        return "Suspended", "yellow"
    if job.spec.get("suspend"):
        return "Stopping", "yellow"
    return ("Running", "cyan") if job.status.stages else ("Pending", "")


def _remarks(job: SeenJob, now: float) -> Iterator[str]:
    """What is to be said of the job as a whole."""
    status, complete = job.status, condition(job.status, "Complete")
    if job.hands_off:
        yield "The operator leaves it alone: so says its annotation w2s.dev/hands-off, or spec.managedBy."
    elif status.observed_generation < job.generation and now - job.changed > _PATIENCE:
        what = "it" if status.observed_generation < 0 else "the last edit of its spec"
        yield f"No operator has seen {what} yet. Does one run, and does it watch namespace {job.namespace}?"
    if job.is_so("Suspended") or job.spec.get("suspend"):
        yield f"spec.suspend is true. To go on: kubectl w2s resume {job.place}"
    elif job.over and not job.is_so("Complete") and complete:
        failed = next((stage for stage in status.stages if stage.state == "Failed"), None)
        yield f"Stage {failed.name} failed: {failed.reason}." if failed else printable(complete.message)


def _stages(job: SeenJob, now: float, paint: Paint) -> list[str]:
    if not job.status.stages:
        return []

    def style(column: str, cell: str) -> str:
        return _STYLES.get(cell, "") if column == "STATE" else ""

    return table(COLUMNS, [_row(stage, now) for stage in job.status.stages], style, paint)


def _row(stage: StageStatus, now: float) -> tuple[str, ...]:
    cell, eta = "", ""
    if stage.progress and stage.state in ("Running", "Stopping"):
        progress = stage.progress
        share = f" ({100 * progress.step // progress.total} %)" if progress.total else ""
        loss = f", loss {progress.loss}" if progress.loss else ""
        cell = f"{printable(progress.phase)} {progress.step:,}/{progress.total:,}{share}{loss}".strip()
        if progress.eta_seconds is not None:
            since = now - seconds_of(progress.observed_time) if progress.observed_time else 0.0
            eta = span(progress.eta_seconds - max(0.0, since))
    elif stage.state == "Retrying" and stage.retry_time:
        eta = f"again in {span(seconds_of(stage.retry_time) - now)}"
    return (
        stage.name,
        stage.state,
        cell,
        eta,
        str(stage.run or ""),
        str(stage.failures or ""),
        str(stage.disruptions or ""),
        _took(stage, now),
        "" if stage.state in FINISHED else printable(stage.reason or ""),
    )


def _took(stage: StageStatus, now: float) -> str:
    """Of its last run."""
    if not stage.start_time or stage.state in ("Waiting", "Queued"):
        return ""
    ended = stage.completion_time
    if not ended and stage.state not in ("Running", "Starting", "Stopping"):
        return ""
    return span((seconds_of(ended) if ended else now) - seconds_of(stage.start_time))


def _matters(stage: StageStatus) -> bool:
    return bool(stage.message) and stage.state not in FINISHED


def _results(job: SeenJob) -> Iterator[str]:
    status = job.status
    if status.results:
        yield figures(status.results)
    elif (advice := condition(status, "Advice")) and advice.message:
        yield f"Advice: {printable(advice.message)}"
    promoted = condition(status, "Promoted")
    if promoted and promoted.status != "Unknown":
        where = f" {status.model_uri}" if status.model_uri else ""
        yield f"{'Promoted' if promoted.status == 'True' else 'Not promoted'}: {printable(promoted.message)}{where}"
    if status.report_uri:
        yield f"Report: kubectl w2s report {job.place}   ({status.report_uri})"


def figures(results: Results) -> str:
    """Metric, teacher, student and the gain with its interval, as far as they are known."""
    gain = f"gain {_signed(results.gain)}" if results.gain else ""
    if gain and results.gain_low and results.gain_high:
        gain += f" (95 % interval {_signed(results.gain_low)} to {_signed(results.gain_high)})"
    known = [
        f"weak labels {results.weak}" if results.weak else "",
        f"candidate {results.candidate}" if results.candidate else "",
        gain,
        f"ε {results.epsilon} at δ {results.delta} spent" if results.epsilon and results.delta else "",
    ]
    return f"{results.metric or 'Results'} on the gold test: {', '.join(one for one in known if one)}"


def _signed(decimal: str) -> str:
    return decimal if decimal.startswith(("-", "+")) else f"+{decimal}"


def next_steps(job: SeenJob) -> list[str]:
    """What a person can do about a failure; nothing where there is none."""
    if not job.over or job.is_so("Complete"):
        return []
    failed = [stage for stage in job.status.stages if stage.state == "Failed"]
    if not failed:
        return ["Next: correct the manifest and apply it again."]
    more = f"  kubectl w2s logs {job.name} {failed[0].name} -n {job.namespace}"
    return [
        "Next: correct what the message names. If that is in the manifest, apply it again;"
        " if it is not (a Secret, data, a quota):",
        f"  kubectl w2s retry {job.place}",
        *(["What the stage said before it failed:", more] if failed[0].run else []),
        "What is done stays done.",
    ]
