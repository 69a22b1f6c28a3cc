"""Stage processes: started in a group of their own, read line by line, never left behind."""

import asyncio
import json
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s_api.exit_codes import ExitCode
from w2s_trainer.contract.last_words import LastWords, read_last_words
from w2s_trainer.contract.leash import die_with

_STDOUT, _STDERR = 1, 2
_TAIL = 20
"""Lines of standard error that are kept."""
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True)
class Ended:
    """How a stage process ended."""

    code: int
    """Exit code; negative for a signal."""
    words: LastWords | None
    stderr: tuple[str, ...] = ()
    """Its last lines."""

    @property
    def explanation(self) -> str:
        """One line for a person."""
        if self.words and self.words.message:
            return " ".join(self.words.message.split())
        if self.code < 0:
            name = signal.Signals(-self.code).name
            more = " (out of memory?)" if self.code == -signal.SIGKILL else ""
            return f"killed by {name}{more}"
        last = next((line.strip() for line in reversed(self.stderr) if line.strip()), "it said nothing")
        return f"ended with code {self.code} and without last words: {last}"


class StageProcess:
    """One running stage process. It dies with this one, whatever kills this one."""

    def __init__(self, watch: "_Watch", last_words: Path) -> None:
        self._watch = watch
        self._last_words = last_words

    @classmethod
    async def start(
        cls,
        command: list[str],
        environment: Mapping[str, str],
        last_words: Path,
        on_progress: Callable[[dict[str, Any]], None],
    ) -> "StageProcess":
        """Starts a process; its progress lines are passed on as they come."""
        last_words.unlink(missing_ok=True)
        parent = os.getpid()
        _, watch = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Watch(on_progress),
            *command,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: die_with(parent),
        )
        return cls(watch, last_words)

    async def wait(self) -> Ended:
        """Waits until the process has ended and all of its output was read."""
        code = await self._watch.ended
        words = read_last_words(self._last_words)
        if code == ExitCode.DONE and (words is None or not words.artifact):
            code = int(ExitCode.OWN_FAULT)  # nothing can build on a result without a key
        return Ended(code, words, tuple(self._watch.tail))

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Sends a signal to the process and its children."""
        self._watch.kill_group(how)


class _Watch(asyncio.SubprocessProtocol):
    """Cuts what a process says into lines. Its children end with it, or they would keep its pipes open."""

    def __init__(self, on_progress: Callable[[dict[str, Any]], None]) -> None:
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self._on_progress = on_progress
        self._rest = {_STDOUT: b"", _STDERR: b""}
        self._transport: asyncio.SubprocessTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        *lines, rest = (self._rest[fd] + data).split(b"\n")
        self._rest[fd] = rest[-_LONGEST_LINE:]
        for line in lines:
            self._line(fd, line.decode(errors="replace"))

    def pipe_connection_lost(self, fd: int, _error: Exception | None) -> None:
        if rest := self._rest.get(fd):
            self._line(fd, rest.decode(errors="replace"))

    def process_exited(self) -> None:
        self.kill_group(signal.SIGKILL)

    def connection_lost(self, _error: Exception | None) -> None:
        code = self._transport.get_returncode()
        if not self.ended.done():
            self.ended.set_result(int(ExitCode.OWN_FAULT) if code is None else code)

    def kill_group(self, how: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._transport.get_pid(), how)

    def _line(self, fd: int, line: str) -> None:
        if fd == _STDERR:
            self.tail.append(line.rstrip())
            return
        try:
            plain = json.loads(line)
        except ValueError:  # a library that prints
            return
        if not isinstance(plain, dict):
            return
        try:
            self._on_progress(plain)
        except Exception as error:  # the loop would log it and continue: the waiting task gets it instead
            if not self.ended.done():
                self.ended.set_exception(error)
