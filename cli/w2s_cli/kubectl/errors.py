"""What can go wrong between a person and a cluster, each with one clear line and an exit code."""

from w2s_api.exit_codes import ExitCode


class ClusterError(Exception):
    """A command cannot do what it was asked for. The message is for the person who typed it."""

    exit_code: ExitCode = ExitCode.BAD_SPEC


class NotThere(ClusterError):
    """There is no such job, stage, pod, report, or kind."""

    exit_code = ExitCode.INPUT_GONE


class Unreachable(ClusterError):
    """The API server or a node does not answer."""

    exit_code = ExitCode.UNAVAILABLE


class Refused(ClusterError):
    """The API server does not let this user do it."""

    exit_code = ExitCode.DENIED
