"""Stage processes: started in a group of their own, read line by line, never left behind."""

import asyncio
import json
import os
import signal
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s_api.exit_codes import ExitCode
from w2s_trainer.contract.last_words import LastWords, read_last_words
from w2s_trainer.contract.leash import die_with
from w2s_trainer.local.fork_server import ForkServer

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
    """One stage process. It dies with this one, whatever kills this one."""

    def __init__(self, watch: "_Watch", last_words: Path, beginning: Coroutine[Any, Any, None]) -> None:
        self._watch = watch
        self._last_words = last_words
        self._beginning = asyncio.create_task(beginning)
        self._stopped_by = 0

    @classmethod
    def start(
        cls,
        command: list[str],
        environment: Mapping[str, str],
        last_words: Path,
        on_start: Callable[[], None],
        on_progress: Callable[[dict[str, Any]], None],
        server: ForkServer | None = None,
        *,
        models: bool = False,
    ) -> "StageProcess":
        """Starts a process.

        Args:
            command: what it runs.
            environment: all of its variables.
            last_words: where it leaves its last words.
            on_start: is called once it is there.
            on_progress: is given its progress lines as they come.
            server: forks it, if it can; else it is started anew.
            models: whether it will load a model.
        """
        last_words.unlink(missing_ok=True)
        watch = _Watch(on_progress)

        async def begin() -> None:
            if server is None or not await server.fork(watch, command, environment, models=models):
                await _execute(watch, command, environment)
            on_start()

        return cls(watch, last_words, begin())

    async def wait(self) -> Ended:
        """Waits until the process has ended and all of its output was read."""
        await asyncio.wait({self._beginning})
        if self._beginning.cancelled():
            return Ended(-self._stopped_by, None)
        self._beginning.result()
        code = await self._watch.ended
        words = read_last_words(self._last_words)
        if code == ExitCode.DONE and (words is None or not words.artifact):
            code = int(ExitCode.OWN_FAULT)  # nothing can build on a result without a key
        return Ended(code, words, tuple(self._watch.tail))

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Sends a signal to the process and its children, as often as it is asked; one that is not there yet will not be."""
        if self._beginning.done():
            self._watch.kill_group(how)
        elif not self._stopped_by:
            self._stopped_by = how
            self._beginning.cancel()


async def _execute(watch: "_Watch", command: list[str], environment: Mapping[str, str]) -> None:
    parent = os.getpid()
    await asyncio.get_running_loop().subprocess_exec(
        lambda: watch,
        *command,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: die_with(parent),
    )


class _Watch(asyncio.SubprocessProtocol):
    """Cuts what a process says into lines. Its children end with it, or they would keep its pipes open."""

    def __init__(self, on_progress: Callable[[dict[str, Any]], None]) -> None:
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self._on_progress = on_progress
        self._rest = {_STDOUT: b"", _STDERR: b""}
        self._transport: asyncio.SubprocessTransport | None = None

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
        code = self._transport.get_returncode() if self._transport else None
        if not self.ended.done():
            self.ended.set_result(int(ExitCode.OWN_FAULT) if code is None else code)

    def kill_group(self, how: signal.Signals) -> None:
        if self._transport is None:  # it was called off before it was there
            return
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
