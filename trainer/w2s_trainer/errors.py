"""Errors a person must act on. Each knows its exit code; none of them is shown with a stack trace."""

from w2s_api.exit_codes import ExitCode


class StageError(Exception):
    """A stage cannot go on.

    Args:
        reason: one PascalCase word, stable, for conditions and metrics (`LabelOutsideClasses`).
        message: one line for the person who must act: what was wrong and where (file, line, row, field).
        hint: what to do next, as a sentence; joined to the message when shown.
    """

    exit_code: ExitCode = ExitCode.OWN_FAULT

    def __init__(self, reason: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = _writable(message)
        self.hint = _writable(hint)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


def _writable(text: str) -> str:
    """Names from data may hold halves of surrogate pairs, which no file and no terminal takes: as `\\ud83d`."""
    return text.encode(errors="backslashreplace").decode()


class BadSpec(StageError):
    """The manifest asks for what cannot be (exit code 64)."""

    exit_code = ExitCode.BAD_SPEC


class BadData(StageError):
    """The data cannot be used as they are (exit code 65)."""

    exit_code = ExitCode.BAD_DATA


class InputGone(StageError):
    """An input artifact is missing or does not verify (exit code 66)."""

    exit_code = ExitCode.INPUT_GONE


class StoreUnavailable(StageError):
    """The store did not answer within the patience of this process (exit code 69)."""

    exit_code = ExitCode.UNAVAILABLE


class OwnFault(StageError):
    """A limit of this process: memory, disk (exit code 70)."""

    exit_code = ExitCode.OWN_FAULT


class Stopped(StageError):
    """Asked to stop, and stopped after saving what was done (exit code 75)."""

    exit_code = ExitCode.STOPPED


class StoreDenied(StageError):
    """The store refuses these credentials (exit code 77)."""

    exit_code = ExitCode.DENIED


class EndpointUnavailable(StageError):
    """The endpoint of a labeler did not answer within the patience of this process (exit code 69)."""

    exit_code = ExitCode.UNAVAILABLE


class EndpointDenied(StageError):
    """The endpoint of a labeler refuses the API key (exit code 77)."""

    exit_code = ExitCode.DENIED
