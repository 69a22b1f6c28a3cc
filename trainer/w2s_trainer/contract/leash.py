"""Processes that end with the one that started them, whatever ends that one."""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with(parent: int) -> None:
    """Ends this process, now or later, when its parent ends. Elsewhere than on Linux it does nothing.

    Args:
        parent: process id that the parent has, or had.
    """
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


def parent_of(pid: int) -> int | None:
    """The parent of another process; None if that is gone, or cannot be known here."""
    with suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return None


def adopt_orphans() -> bool:
    """Makes this process the parent of those below it whose parent ends; tells whether it could (Linux only)."""
    return _LIBC is not None and _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def name_process(name: str) -> None:
    """Gives this process the name that `ps -o comm` and `top` show, cut to 15 bytes (Linux only)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_NAME, name.encode())
