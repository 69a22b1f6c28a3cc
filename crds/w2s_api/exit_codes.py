"""Exit codes of a stage process, after sysexits.h: all that a Job's podFailurePolicy can see."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a stage process ended, and by that what a driver does next."""

    DONE = 0
    BAD_SPEC = 64
    """The manifest asks for what cannot be. Ends the stage at once."""
    BAD_DATA = 65
    """The data cannot be used. Ends the stage at once."""
    INPUT_GONE = 66
    """An input artifact is gone: resolve the plan again, a bounded number of times."""
    UNAVAILABLE = 69
    """The store does not answer: retry."""
    OWN_FAULT = 70
    """A defect or a limit of this process: retry within the budget."""
    STOPPED = 75
    """Stopped after saving its progress: retry, not charged."""
    DENIED = 77
    """The store refuses the credentials. Ends the stage at once."""


FINAL = frozenset({ExitCode.BAD_SPEC, ExitCode.BAD_DATA, ExitCode.DENIED})
"""Codes that no retry can mend: a person has to act."""
