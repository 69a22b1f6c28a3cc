"""A process that has imported what stages import, and forks them: the imports are paid for once a run.

It is multiprocessing's idea of a fork server, for modules that are run as `python -m` runs them. Its stages are adopted by
this process: they are its children, as if it had started them itself, and they live on when the server dies.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress

from w2s_trainer.contract.leash import adopt_orphans, die_with
from w2s_trainer.contract.machine import gpus
from w2s_trainer.local.fork_program import ALONE, PLAIN, WITH_MODELS
from w2s_trainer.local.forked import ForkedProcess

_MODULE = "w2s_trainer.local.fork_program"


class ForkServer:
    """Forks stages, as long as it can. It is started when the first one is asked for.

    Args:
        environment: of the stages, which may differ from one another in OMP_NUM_THREADS: libraries read the rest
            when they are imported.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**environment, **ALONE}
        self._door: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._gone = False

    @property
    def pid(self) -> int | None:
        """The server's process id, if it was started."""
        return self._process.pid if self._process else None

    async def fork(
        self,
        protocol: asyncio.SubprocessProtocol,
        command: list[str],
        environment: Mapping[str, str],
        *,
        models: bool,
    ) -> bool:
        """Starts a process in a session of its own, as `loop.subprocess_exec` does.

        Args:
            protocol: is told what becomes of it.
            command: [python, "-m", module, argument, …].
            environment: all of its variables.
            models: whether it will load a model.

        Returns:
            Whether it was started; if not, it did nothing, and a later one will not be started either.
        """
        control, theirs = socket.socketpair()
        pipes = [os.pipe() for _ in range(2)]
        with control, ExitStack() as readers:
            files = [readers.enter_context(os.fdopen(end, "rb", buffering=0)) for end, _ in pipes]
            with theirs, ExitStack() as writers:
                for _, end in pipes:
                    writers.callback(os.close, end)
                is_asked = self._ask(models, [theirs.fileno(), *(end for _, end in pipes)])
            pid = await _pid(control) if is_asked else None
            if pid is None:
                self._gone = True
                return False
            try:
                await _answer(control, command, environment)
                await ForkedProcess(pid, protocol).watch(*files)
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                raise
            readers.pop_all()  # closed by who reads them
        return True

    def close(self) -> None:
        """Ends the server. What it forked is not touched."""
        self._gone = True
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._door is not None:
            self._door.close()

    def _ask(self, models: bool, fds: list[int]) -> bool:
        """Asks for a fork; tells whether that was possible."""
        if self._gone:
            return False
        try:
            if self._door is None:
                self._open()
            assert self._door is not None
            socket.send_fds(self._door, [WITH_MODELS if models else PLAIN], fds)
        except OSError:
            return False
        return True

    def _open(self) -> None:
        if not adopt_orphans():
            raise OSError("This kernel lets no process adopt others.")
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _MODULE, str(theirs.fileno())],
                env=self._environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=lambda: die_with(parent),
            )


def can_fork(command: tuple[str, ...], environment: Mapping[str, str]) -> bool:
    """Tells whether stages of this command are forked from a server.

    Not where threads of a library are set beside OMP_NUM_THREADS, which only a new process reads in full, and not
    where there is a GPU: CUDA and a process that was forked do not go together unless everything is done right.
    """
    others = [name for name in environment if name.endswith("_NUM_THREADS") and name != "OMP_NUM_THREADS"]
    is_module = command[:2] == (sys.executable, "-m")
    return sys.platform == "linux" and is_module and not others and not gpus()


async def _pid(control: socket.socket) -> int | None:
    """What a fork says when it is there; None if there is none."""
    control.setblocking(False)
    said = b""
    while not said.endswith(b"\n"):
        more = await asyncio.get_running_loop().sock_recv(control, 32)
        if not more:
            return None
        said += more
    return int(said)


async def _answer(control: socket.socket, command: list[str], environment: Mapping[str, str]) -> None:
    _, _, module, *arguments = command
    request = {"module": module, "arguments": arguments, "environment": dict(environment)}
    with suppress(OSError):  # it is dead already: how it ended is seen as ever
        await asyncio.get_running_loop().sock_sendall(control, json.dumps(request).encode())
        control.shutdown(socket.SHUT_WR)
