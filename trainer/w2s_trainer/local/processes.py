"""Stage processes: started in a group of their own, read line by line, never left behind."""

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from w2s_trainer.contract.last_words import LastWords, read_last_words

_PR_SET_PDEATHSIG = 1
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True)
class Ended:
    """How a stage process ended."""

    code: int
    """Exit code; negative for a signal."""
    words: LastWords | None
    stderr: list[str] = field(default_factory=list)
    """Its last lines."""

    @property
    def explanation(self) -> str:
        """One line for a person."""
        if self.words and self.words.message:
            return self.words.message
        if self.code < 0:
            name = signal.Signals(-self.code).name
            more = " (out of memory?)" if self.code == -signal.SIGKILL else ""
            return f"killed by {name}{more}"
        return self.stderr[-1] if self.stderr else f"exit code {self.code}"


class StageProcess:
    """One running stage process."""

    def __init__(self, process: asyncio.subprocess.Process, last_words: Path) -> None:
        self._process = process
        self._last_words = last_words

    @classmethod
    async def start(
        cls, command: list[str], environment: Mapping[str, str], last_words: Path
    ) -> "StageProcess":
        """Starts a process that dies with this one, whatever kills it."""
        last_words.unlink(missing_ok=True)
        process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=_LONGEST_LINE,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        return cls(process, last_words)

    async def wait(self, on_progress: Callable[[dict[str, Any]], None]) -> Ended:
        """Passes on progress lines until the process has ended."""
        tail: deque[str] = deque(maxlen=20)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        await asyncio.gather(
            _each_line(self._process.stdout, lambda line: _progress(line, on_progress)),
            _each_line(self._process.stderr, tail.append),
        )
        code = await self._process.wait()
        return Ended(code, read_last_words(self._last_words), list(tail))

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Sends a signal to its group."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, how)


async def _each_line(stream: asyncio.StreamReader, handle: Callable[[str], None]) -> None:
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # longer than any progress line
            continue
        if not line:
            return
        handle(line.decode(errors="replace").rstrip())


def _progress(line: str, on_progress: Callable[[dict[str, Any]], None]) -> None:
    with suppress(ValueError):
        plain = json.loads(line)
        if isinstance(plain, dict):
            on_progress(plain)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
