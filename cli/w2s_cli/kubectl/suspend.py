"""`kubectl w2s suspend` and `resume`: whether a job may use the cluster."""

import argparse
import sys

from w2s_api.exit_codes import ExitCode
from w2s_cli.kubectl import cluster
from w2s_cli.kubectl.job import SeenJob

add_arguments = cluster.add_arguments


def main(arguments: argparse.Namespace) -> int:
    """Sets `spec.suspend`, which is all there is to it: the operator does the rest."""
    connected = cluster.connect(arguments)
    wanted = arguments.command == "suspend"
    job = connected.job(arguments.name)
    if bool(job.spec.get("suspend")) == wanted:
        print(f"{job.name} is {'suspended already' if wanted else 'not suspended'}.")
        return ExitCode.DONE
    job = connected.patch(arguments.name, {"spec": {"suspend": wanted}})
    print(done(job, wanted))
    sys.stderr.write(warning(job, wanted) + "\n")
    return ExitCode.DONE


def done(job: SeenJob, suspended: bool) -> str:
    """What happens now."""
    if not suspended:
        return f"{job.name} goes on."
    if job.over:
        return f"{job.name} is suspended. It was over; nothing starts until it is resumed."
    return f"{job.name} is suspended: what runs saves a checkpoint and stops. To go on: kubectl w2s resume {job.place}"


def warning(job: SeenJob, suspended: bool) -> str:
    """Warns that a field of the spec belongs to the tool that applies the manifest."""
    line = f"suspend: {str(suspended).lower()}"
    if job.gitops:
        return (
            f"Caution: {job.gitops} applied this job and may set it back at its next sync."
            f" Write `{line}` in its source too."
        )
    return f"If the manifest is applied again, by a person or from Git, write `{line}` there too."
