"""`kubectl w2s retry`: what failed gets a fresh budget of runs; what is done stays done."""

import argparse
from datetime import UTC, datetime

from w2s_api.child_jobs import RETRY_ANNOTATION
from w2s_api.exit_codes import ExitCode
from w2s_cli.kubectl import cluster
from w2s_cli.kubectl.job import SeenJob

add_arguments = cluster.add_arguments


def main(arguments: argparse.Namespace) -> int:
    """Gives the annotation w2s.dev/retry a value that it never had."""
    connected = cluster.connect(arguments)
    job = connected.job(arguments.name)
    if not _again(job):  # a retry that has nothing to do makes `prepare` look at the store anew
        print(done(job))
        return ExitCode.DONE
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    connected.patch(arguments.name, {"metadata": {"annotations": {RETRY_ANNOTATION: now}}})
    print(done(job))
    return ExitCode.DONE


def done(job: SeenJob) -> str:
    """What happens now.

    Args:
        job: as it was before.
    """
    again = _again(job)
    if not again and job.over and not job.is_so("Complete"):
        return f"{job.name}: no stage failed, the manifest did; correct it and apply it again."
    if not again:
        return f"{job.name}: nothing has failed, so nothing is run again."
    wait = " once it is resumed" if job.spec.get("suspend") else ""
    return (
        f"{job.name}: runs again{wait}: {', '.join(again)}. To follow it: kubectl w2s status {job.place} -w"
    )


def _again(job: SeenJob) -> list[str]:
    return [stage.name for stage in job.status.stages if stage.state in ("Failed", "Retrying")]
