"""A process that another one forked and this one adopted, watched as asyncio watches those that it started."""

import asyncio
import os
from functools import partial
from typing import IO, Any

_STDOUT, _STDERR = 1, 2


class ForkedProcess(asyncio.SubprocessTransport):
    """A child of this process that asyncio did not start.

    Args:
        pid: its process id.
        protocol: is told what asyncio tells the protocol of a subprocess.
    """

    def __init__(self, pid: int, protocol: asyncio.SubprocessProtocol) -> None:
        super().__init__()
        self._pid = pid
        self._protocol = protocol
        self._code: int | None = None
        self._open = {_STDOUT, _STDERR}

    async def watch(self, stdout: IO[bytes], stderr: IO[bytes]) -> None:
        """Begins to listen; the pipes are closed when the process has closed its ends."""
        loop = asyncio.get_running_loop()
        self._protocol.connection_made(self)
        for name, file in ((_STDOUT, stdout), (_STDERR, stderr)):
            await loop.connect_read_pipe(partial(_Pipe, self, self._protocol, name), file)
        ended = os.pidfd_open(self._pid)
        loop.add_reader(ended, self._exited, ended)

    def get_pid(self) -> int:
        """Returns its process id."""
        return self._pid

    def get_returncode(self) -> int | None:
        """Returns its exit code, negative for a signal; None while it runs."""
        return self._code

    def closed(self, pipe: int) -> None:
        """Notes that everything was read from one of its pipes."""
        self._open.discard(pipe)
        self._end()

    def _exited(self, fd: int) -> None:
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)
        _, status = os.waitpid(self._pid, 0)
        self._code = os.waitstatus_to_exitcode(status)
        self._protocol.process_exited()
        self._end()

    def _end(self) -> None:
        if self._code is not None and not self._open:
            self._protocol.connection_lost(None)


class _Pipe(asyncio.Protocol):
    def __init__(self, process: ForkedProcess, protocol: asyncio.SubprocessProtocol, name: int) -> None:
        self._process = process
        self._protocol = protocol
        self._name = name

    def data_received(self, data: bytes) -> None:
        self._protocol.pipe_data_received(self._name, data)

    def connection_lost(self, error: Any) -> None:
        self._protocol.pipe_connection_lost(self._name, error)
        self._process.closed(self._name)
