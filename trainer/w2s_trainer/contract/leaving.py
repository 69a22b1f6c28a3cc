"""Ending a process without taking the interpreter apart, which takes 1.6 s where torch is loaded."""

import atexit
import os
import sys
import threading
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """Ends this process as `sys.exit` would: threads end, exit functions run, what was written is flushed.

    Args:
        code: exit code; 120 takes the place of 0 where something that was written cannot be flushed, as Python has it.
    """
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # as multiprocessing does
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                code = code or 120
    finally:
        os._exit(code)
